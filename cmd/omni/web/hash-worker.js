// Hashes beside the page, which would stand still meanwhile. Each message is
// answered: a piece of bytes by nothing, no piece by the hash.

import { SHA256 } from "./sha256.js";

const hash = new SHA256();

onmessage = ({ data }) => {
  if (data) hash.add(data);
  postMessage(data ? undefined : hash.digest());
};
