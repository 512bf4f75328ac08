// Package report turns results into tables: the same Markdown for the terminal
// and for RESULTS.md, padded so that it can be read as it is.
package report
