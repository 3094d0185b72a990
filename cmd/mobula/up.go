package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"

	"github.com/mobula-ml/mobula/internal/server"
)

// up serves until ctx ends.
func up(ctx context.Context, args []string) error {
	c := server.Config{Log: slog.New(slog.NewTextHandler(os.Stderr, nil))}
	f := newFlags("up", "[--data DIR] [--listen HOST:PORT]", "Serves the API until Ctrl-C. Jobs that run then go on, and the next server on the folder takes them up.")
	f.StringVar(&c.Data, "data", defaultData(), "folder that holds everything")
	f.StringVar(&c.Listen, "listen", server.DefaultListen, "address to serve at; port 0 takes a free one")
	serverFlags(f, &c)
	if err := parse(f, args); err != nil {
		return err
	}
	s, err := server.Start(ctx, c)
	if err != nil {
		return err
	}
	defer s.Stop()
	fmt.Printf("Mobula serves at %s on %s\n", s.URL, s.Data)
	fmt.Printf("jobs run in: %s (%s)\n", s.Choice.Runner, s.Choice.Reason)
	printNotes(s.Notes, s.Choice.Advice)
	fmt.Printf("\nFor the AWS clients of a shell:  eval \"$(mobula env --data %s)\"\n", s.Data)
	<-ctx.Done()
	fmt.Println("\nstopping; jobs that run go on until the next start")
	return nil
}

func printNotes(notes, advice []string) {
	for _, n := range notes {
		fmt.Println("  note:", n)
	}
	for _, a := range advice {
		fmt.Println("  to allow more:", a)
	}
}
