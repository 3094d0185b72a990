package runner

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// handOffLimit is how long the hosts of a dead supervisor may take to die. The kernel needs milliseconds.
const handOffLimit = 10 * time.Second

// job is the server's end of a supervised job, whichever runner it has.
type job struct {
	dir string
	// ours: this process started it, so that a supervisor which never came to a status has failed; nobody else can know.
	ours bool
}

func (j *job) Dir() string { return j.dir }

func (j *job) LogPath(host string) string { return filepath.Join(j.dir, logFolder, host+".log") }

func (j *job) Status() (Status, error) {
	reason := ""
	if j.ours {
		reason = "the job's supervisor could not start: " + lastLine(filepath.Join(j.dir, supervisorLog))
	}
	return status(j.dir, reason)
}

func (j *job) Wait(ctx context.Context) (Status, error) {
	for {
		now, err := j.Status()
		if err != nil || now.State.Final() {
			return now, err
		}
		if _, err = ask(ctx, j.dir, "WAIT"); err == nil {
			continue
		}
		if ctx.Err() != nil {
			return now, ctx.Err()
		}
		// The supervisor is gone or going: what remains of the job holds the lock for a moment longer.
		waitUnlocked(j.dir, handOffLimit)
		if lives, aliveErr := alive(j.dir); aliveErr == nil && lives {
			return now, fmt.Errorf("job %s: its supervisor does not answer but something of it lives: %w", j.dir, err)
		}
	}
}

func (j *job) Stop(ctx context.Context, reason string) error {
	_, err := ask(ctx, j.dir, "STOP "+strings.Map(oneLine, reason))
	if err == nil || ctx.Err() != nil {
		return err
	}
	waitUnlocked(j.dir, handOffLimit)
	now, statusErr := j.Status()
	if statusErr != nil {
		return statusErr
	}
	if now.State.Final() {
		return nil
	}
	return fmt.Errorf("stop job %s: %w", j.dir, err)
}

func (j *job) Dial(ctx context.Context, host string, port int) (net.Conn, error) {
	file, err := ask(ctx, j.dir, fmt.Sprintf("DIAL %s:%d", host, port))
	if err != nil {
		return nil, fmt.Errorf("dial %s:%d: %w", host, port, err)
	}
	if file == nil {
		return nil, fmt.Errorf("dial %s:%d: the supervisor sent no socket", host, port)
	}
	defer file.Close()
	return net.FileConn(file)
}

func (j *job) Remove() error {
	lives, err := alive(j.dir)
	if err != nil {
		return err
	}
	if lives {
		now, err := readStatus(j.dir)
		if err != nil || !now.State.Final() {
			return fmt.Errorf("remove %s: %w", j.dir, ErrRunning)
		}
		waitUnlocked(j.dir, handOffLimit) // the last breath of a supervisor that has written the end
	}
	return removeAll(j.dir)
}

// removeAll deletes a tree although user code may have made folders of it unwritable.
func removeAll(dir string) error {
	err := os.RemoveAll(dir)
	if err == nil || !errors.Is(err, os.ErrPermission) {
		return err
	}
	_ = filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error { // RemoveAll says what still cannot be deleted
		if d == nil || !d.IsDir() {
			return nil
		}
		if err == nil { // first call for this folder: before it is read
			_ = os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// oneLine keeps a reason from being read as two requests.
func oneLine(r rune) rune {
	if r < ' ' {
		return ' '
	}
	return r
}

// lastLine gives the end of a small log, for a message.
func lastLine(path string) string {
	data, err := os.ReadFile(path)
	text := strings.TrimSpace(string(data))
	if err != nil || text == "" {
		return "it left no message"
	}
	return text[strings.LastIndexByte(text, '\n')+1:]
}
