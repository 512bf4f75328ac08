// Package inprocess measures streams between goroutines beside what one would
// use instead: channels, batches by hand, other libraries.
//
// A contender moves n items from one goroutine to another, or through stages,
// and says how many arrived; bench turns it into a benchmark that fails when
// some are missing. Each contender stands in a file of its own that links its
// source. Every one has the settings that are best for it among those that its
// users would choose, found by trying.
//
// The workloads are in ints.go, items64.go, chains.go, parallel.go,
// latency.go and scaling_*.go.
package inprocess
