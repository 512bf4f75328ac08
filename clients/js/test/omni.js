// The omni tool: OMNI_BIN names it; if that is not set, it is built with Go. Without Go the tests that need it are
// skipped, and fail if OMNI_REQUIRE is "all".
import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { folder, scratch } from "./tools.js";

export const omni = process.env.OMNI_BIN ?? build();
export const skip = omni ? false : "neither OMNI_BIN nor Go is there";

function build() {
  const file = join(scratch, "omni");
  try {
    execFileSync("go", ["build", "-o", file, "."], { cwd: join(folder, "../../cmd/omni"), stdio: "inherit" });
  } catch (e) {
    if (e.code != "ENOENT" || process.env.OMNI_REQUIRE == "all") throw e;
    return undefined;
  }
  return file;
}
