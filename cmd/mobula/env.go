package main

import (
	"context"
	"fmt"
	"strings"

	"github.com/mobula-ml/mobula/internal/server"
)

// env prints the exports for a shell.
func env(_ context.Context, args []string) error {
	var data string
	f := newFlags("env", "[--data DIR]", "Prints what makes the AWS clients of a shell use the server of a data folder:  eval \"$(mobula env)\"")
	f.StringVar(&data, "data", defaultData(), "folder of the server")
	if err := parse(f, args); err != nil {
		return err
	}
	a, c, err := server.Find(data)
	if err != nil {
		return err
	}
	for _, x := range [][2]string{{"AWS_ENDPOINT_URL", a.URL}, {"AWS_ACCESS_KEY_ID", c.AccessKeyID}, {"AWS_SECRET_ACCESS_KEY", c.SecretAccessKey},
		{"AWS_REGION", a.Region}, {"AWS_DEFAULT_REGION", a.Region}} {
		fmt.Printf("export %s='%s'\n", x[0], strings.ReplaceAll(x[1], "'", `'\''`))
	}
	fmt.Println("unset AWS_SESSION_TOKEN AWS_PROFILE")
	return nil
}
