// Command hostile shows what hostile peers do to this project's sessions and
// to those of other multiplexers.
package main
