// Hashes beside the page, which would stand still meanwhile. Each message is
// answered: a piece of bytes by its memory, no piece by the hash.

import { SHA256 } from "./sha256.js";

const hash = new SHA256();

onmessage = ({ data }) => {
  if (!data) return postMessage(hash.digest());
  hash.add(data);
  postMessage(data.buffer, [data.buffer]);
};
