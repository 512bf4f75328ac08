// Where a download goes.

/** Asks for a file where a page may write one, else keeps pieces for a link. Undefined if the user would not. */
export async function target(name) {
  if (window.showSaveFilePicker) {
    try {
      const handle = await window.showSaveFilePicker({ suggestedName: name });
      return intoFile(await handle.createWritable());
    } catch (error) {
      if (error.name == "AbortError") return;
    }
  }
  return intoBlob();
}

/** The file has its content once it is closed, and not before. */
function intoFile(writable) {
  return {
    write: (piece) => writable.write(piece),
    close: () => writable.close(),
    drop: (why) => writable.abort(why).catch(() => {}),
  };
}

/** The browser keeps a Blob's bytes out of the page's memory. */
function intoBlob() {
  let parts = [];
  return {
    write: async (piece) => void parts.push(new Blob([piece])),
    async close() {
      return URL.createObjectURL(new Blob(parts, { type: "application/octet-stream" }));
    },
    drop: () => parts = [],
  };
}
