package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/gateway"
	"github.com/mobula-ml/mobula/internal/server"
)

// env prints, for a shell, what differs between its environment and the one that exec gives to a command.
func env(_ context.Context, args []string) error {
	var data string
	f := newFlags("env", "[--data DIR]", "Prints what makes the AWS clients of a shell use the server of a data folder:  eval \"$(mobula env)\"")
	f.StringVar(&data, "data", defaultData(), "folder of the server")
	if err := parse(f, args); err != nil {
		return err
	}
	data, err := filepath.Abs(data)
	if err != nil {
		return err
	}
	a, c, err := server.Find(data)
	if err != nil {
		return err
	}
	environment := clientEnvironment(os.Environ(), data, gateway.BundlePath(server.GatewayDir(data)), a, c)
	for _, name := range slices.Sorted(maps.Keys(environment)) {
		if value, was := os.LookupEnv(name); !was || value != environment[name] {
			fmt.Printf("export %s='%s'\n", name, strings.ReplaceAll(environment[name], "'", `'\''`))
		}
	}
	fmt.Print("unset AWS_SESSION_TOKEN AWS_PROFILE") // which a shell may have although it does not export them
	for _, entry := range os.Environ() {
		name, _, _ := strings.Cut(entry, "=")
		if _, stays := environment[name]; !stays && name != "AWS_SESSION_TOKEN" && name != "AWS_PROFILE" {
			fmt.Print(" ", name)
		}
	}
	fmt.Println()
	return nil
}
