// Command omni moves data between two processes over streams with
// backpressure: files and directory trees, or standard input and output.
//
//	omni recv --dir DIR          receives what a sender sends
//	omni send PATH...            sends files and directory trees
//	omni pipe                    connects stdin and stdout of two processes
//	omni echo                    answers every call with what it sends
//	omni conform                 tests another implementation by its echo
//	omni serve --web ADDR        serves a page that shows backpressure
//	omni demo                    shows all that with two processes and a large tree
//
// Either side listens and the other connects, by URL: WebSocket, TCP, TLS, a
// Unix socket, or the standard input and output of the process. Many files are
// on their way at a time, each a stream of its own over the one connection:
//
//	sender                                             receiver
//	walk --> worker --- {"name":"file","path":...} --> have it?      one call
//	     |          <-- {"have":false} ---------------                per entry
//	     |          --- content, in items of 64 KiB -> temporary file
//	     |          --- SHA-256, END ----------------> verify, rename
//	     |          <-- END --------------------------
//	     +-> worker ...                  credit comes up the same way
//
// Directories follow when all that is in them has arrived, the deepest first,
// so that their modes and times stay. The last call says how much it was.
//
// The exit codes, which scripts rely on, are 0 if all is well, 1 if something
// failed, 2 for a command line that cannot be, 3 if something was skipped, 130
// if a signal interrupted it.
package main
