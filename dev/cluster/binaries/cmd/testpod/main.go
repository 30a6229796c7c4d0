// Command testpod is what the cluster's own tests run in pods: `serve` answers HTTP on
// port 8080 with the pod's name, `fetch URL` prints what it reads there, and `exit N`
// ends with that status.
package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"time"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(args []string) error {
	switch {
	case len(args) == 1 && args[0] == "serve":
		name, err := os.Hostname()
		if err != nil {
			return err
		}
		http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })
		return http.ListenAndServe(":8080", nil)
	case len(args) == 2 && args[0] == "fetch":
		client := http.Client{Timeout: 10 * time.Second}
		response, err := client.Get(args[1])
		if err != nil {
			return err
		}
		defer response.Body.Close()
		_, err = io.Copy(os.Stdout, response.Body)
		return err
	case len(args) == 2 && args[0] == "exit":
		status, err := strconv.Atoi(args[1])
		if err != nil {
			return err
		}
		os.Exit(status)
	}
	return fmt.Errorf("usage: testpod serve | fetch URL | exit STATUS")
}
