package object_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/world"
)

// children are what the test binary can stand in for: server processes that are killed, or that live where there is no room.
var children = map[string]func(root string){"writers": writeUntilKilled}

func TestMain(m *testing.M) {
	if child := children[os.Getenv("OBJECT_TEST_CHILD")]; child != nil {
		child(os.Getenv("OBJECT_TEST_ROOT"))
		return
	}
	os.Exit(m.Run())
}

const crashWriters = 4

// writeUntilKilled puts objects from several writers and names each on stdout once it was acknowledged.
func writeUntilKilled(root string) {
	f, err := object.OpenFiles(root, object.FilesOptions{})
	if err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
	// Each run counts on from where no earlier one came, so that the writes of a writer are in the order of their numbers.
	var start int
	fmt.Sscan(os.Getenv("OBJECT_TEST_START"), &start)
	var wg sync.WaitGroup
	var mu sync.Mutex
	for w := range crashWriters {
		wg.Go(func() {
			for i := start; ; i++ {
				key := fmt.Sprintf("w%d/k%d", w, i%50)
				if i%3 == 0 {
					key = "shared" + strings.Repeat("/deeper", (i+w)%4)
				}
				// The body names itself, so that a torn or mixed one shows.
				body := fmt.Sprintf("%s#%d#%d#", key, w, i)
				body = strings.Repeat(body, 1+i%200)
				if _, err := f.Put(context.Background(), bucket, key, strings.NewReader(body), object.PutOptions{Metadata: map[string]string{"size": fmt.Sprint(len(body))}}); err != nil {
					fmt.Println("error:", err)
					os.Exit(1)
				}
				mu.Lock()
				fmt.Printf("%s %d %d\n", key, w, i)
				mu.Unlock()
			}
		})
	}
	wg.Wait()
}

func TestKilledWriterLosesNothingAcknowledged(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	withBucket(t, openFiles(t, root, world.Real())).Close()
	acknowledged := map[string]map[int]int{} // by key and writer, the last write
	total := 0
	for run := range 4 {
		total += runAndKill(t, root, run*1_000_000, acknowledged)
		f := openFiles(t, root, world.Real())
		for key, last := range acknowledged {
			checkKilled(t, f, key, last)
		}
		if left, err := os.ReadDir(filepath.Join(root, ".sys", "tmp")); err != nil || len(left) != 0 {
			t.Fatalf("%d temporary files are left, %v", len(left), err)
		}
		f.Close()
	}
	t.Logf("%d writes acknowledged, 0 lost", total)
}

// runAndKill starts the writers and kills them after some acknowledged writes.
func runAndKill(t *testing.T, root string, start int, acknowledged map[string]map[int]int) (total int) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "OBJECT_TEST_CHILD=writers", "OBJECT_TEST_ROOT="+root, fmt.Sprintf("OBJECT_TEST_START=%d", start))
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		line, err := lines.ReadString('\n')
		if err != nil {
			break // killed; what it said before is all here
		}
		var key string
		var w, i int
		if _, err := fmt.Sscanf(line, "%s %d %d", &key, &w, &i); err != nil || key == "error:" {
			t.Errorf("the writers failed: %s", line)
			break
		}
		if acknowledged[key] == nil {
			acknowledged[key] = map[int]int{}
		}
		acknowledged[key][w] = i
		if total++; total == 100 {
			if err := cmd.Process.Kill(); err != nil {
				t.Fatal(err)
			}
		}
	}
	_ = cmd.Wait()
	return total
}

// checkKilled holds that a key has a whole object, no older than the last acknowledged write of the writer it came from.
func checkKilled(t *testing.T, f *object.Files, key string, last map[int]int) {
	t.Helper()
	r, info, err := f.Get(t.Context(), bucket, key)
	if err != nil {
		t.Fatalf("acknowledged and lost: %v", err)
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Split(string(b), "#")
	if len(fields) < 3 || fields[0] != key || info.Metadata["size"] != fmt.Sprint(len(b)) {
		t.Fatalf("%q is torn: %d bytes, metadata %v", key, len(b), info.Metadata)
	}
	one := strings.Join(fields[:3], "#") + "#"
	if strings.Repeat(one, len(b)/len(one)) != string(b) {
		t.Fatalf("%q mixes two writes", key)
	}
	var w, i int
	fmt.Sscan(fields[1], &w)
	fmt.Sscan(fields[2], &i)
	if acknowledged, ok := last[w]; ok && i < acknowledged {
		t.Fatalf("%q has write %d of writer %d, though %d was acknowledged", key, i, w, acknowledged)
	}
}
