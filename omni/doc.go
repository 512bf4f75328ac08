// Package omni moves items between goroutines as streams with backpressure: a writer sends no more than its reader asked for.
// You write to a Consumer and read from a Producer: the ends are named from the stream's side.
//
// # Five words
//
//   - item: one value on its way; nil and zero are items like any other.
//   - Producer: the end that you read from.
//   - Consumer: the end that you write to.
//   - credit: how many items the reader has asked for and not got yet.
//   - stage: a Producer over another one: Map, Filter, Take and so on.
//
// # The picture
//
//	             items go down
//	        --------------------------->
//	Consumer     chunks on a Go channel     Producer -> stage -> loop
//	 (Write)                                 (Next, All)
//	        <---------------------------
//	             credit comes up
//
// # An example
//
//	numbers := omni.Produce(ctx, func(ctx context.Context, c *omni.Consumer[int]) error {
//		for i := range 1000 {
//			if err := c.Write(ctx, i); err != nil {
//				return err // the reader has left, or ctx has ended
//			}
//		}
//		return nil // End
//	})
//	for v, err := range numbers.All(ctx) {
//		if err != nil {
//			return err
//		}
//		fmt.Println(v) // break stops the goroutine above, and waits for it
//	}
//
// # What holds
//
//   - Demand is exact. No more items leave a writer than were asked for. A
//     prefetch (64 items unless Options say another) is asked for in the
//     reader's name and counts; with none the reader pulls each item.
//   - What is read is a prefix of what was written, in order; an item goes to
//     one reader. One writer's items keep their order.
//   - A stream ends once. io.EOF is the clean end and nothing else is: what
//     is canceled with io.EOF ends with io.ErrUnexpectedEOF. End needs no
//     credit.
//   - The reader's Cancel drops what is buffered, and the writer learns the
//     cause at once. The writer's Cancel lets what was written arrive, then
//     the reader gets the cause: the very error value, through any stages.
//   - The ctx of one call (Next, Write, Demand) ends that call: no item is
//     lost, the stream goes on. The ctx of a loop or a stage (All, Produce,
//     Map, Pipe and so on) cancels upstream with its cause.
//   - Nothing runs on after its stream. Leaving a loop by break, return,
//     panic or an error stops everything upstream and waits for the goroutines
//     that this package started for it. A stream from NewStream has none; one
//     that is neither read to its end nor canceled keeps its writer waiting
//     until the ctx of that ends.
//   - No panic is recovered. One in a stage's func unwinds to the reader, and
//     upstream is canceled; one on a goroutine of ours (Produce, Consume,
//     ParallelMap, and stages that Merge or Tee read) ends the process.
//   - Every method is safe for concurrent use, and in the steady state an
//     item costs no allocation (but for Batch, ParallelMap and your own funcs).
//
// A stage takes its upstream over, and may hold items of it: read the stage
// from then on. A stage's func must not read that stage or one below it, since
// it runs inside a read; it may call Request and Cancel.
//
// # Where to read on
//
// NewStream and Produce (stream.go, goroutine.go), then Producer and Consumer
// (ends.go), then the stages: Map, Filter, FlatMap, Take (map.go), Batch
// (batch.go), Concat and Merge (join.go), Pipe and Tee (pipe.go), ParallelMap
// (parallel.go). Source and Sink are
// for those who build an end of their own, as package mux does for streams
// over a network.
package omni
