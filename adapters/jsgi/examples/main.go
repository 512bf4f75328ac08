// Command examples serves the examples of package jsgi, one path each, and
// prints how to try them with curl:
//
//	go run ./adapters/jsgi/examples
//
// With "upload" it sends a gigabyte through the echo of a server in a process
// of its own, with curl and with a Go client, and prints what that took:
//
//	go run ./adapters/jsgi/examples upload
package main

import (
	"flag"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"

	"omnistreams.dev/adapters/jsgi"
)

// apps are the examples by the path that they are mounted at.
var apps = map[string]jsgi.App{
	"/hello":  hello,
	"/echo":   echo,
	"/rot13":  rot13(echo),
	"/form":   form,
	"/memory": memory,
}

func main() {
	addr := flag.String("addr", "127.0.0.1:8080", "the address to listen on")
	size := flag.Int64("size", 1<<30, "upload: how many bytes")
	untilEOF := flag.Bool("until-eof", false, "end when standard input does, as upload's server")
	flag.Parse()
	log.SetFlags(0)
	if flag.Arg(0) == "upload" {
		if err := upload(*size); err != nil {
			log.Fatal(err)
		}
		return
	}
	if *untilEOF {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin) // its end is all that matters
			os.Exit(0)
		}()
	}
	l, err := net.Listen("tcp", *addr)
	if err != nil {
		log.Fatalf("%v\n(-addr says another address: -addr 127.0.0.1:0 is any that is free)", err)
	}
	base := "http://" + l.Addr().String()
	fmt.Println(base) // the first line is for upload
	fmt.Printf(`
curl %[1]s/hello
curl --data 'to and fro' %[1]s/echo
echo 'Uryyb Jbeyq' | curl --data-binary @- %[1]s/rot13
curl --data 'name=value' %[1]s/form   (or open it in a browser)
curl -NT - %[1]s/echo   (type lines; each comes back at once)
curl %[1]s/memory   (bytes of the heap in use, and the most memory ever)

go run ./adapters/jsgi/examples upload   (a gigabyte through the echo, with figures)
`, base)
	log.Fatal(server().Serve(l))
}

// server returns a server of all examples, over HTTP/1.1 and, without TLS for
// those who know (curl --http2-prior-knowledge), HTTP/2.
func server() *http.Server {
	mux := http.NewServeMux()
	for path, app := range apps {
		h := jsgi.NewHandler(app, &jsgi.HandlerOptions{ScriptName: path, Errors: os.Stderr})
		mux.Handle(path, h)
		mux.Handle(path+"/", h)
	}
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	return &http.Server{Handler: mux, Protocols: protocols}
}
