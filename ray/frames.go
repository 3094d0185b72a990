package ray

import (
	"bufio"
	"encoding/gob"
	"io"
	"sync"
	"time"
)

// What the engine and a worker process say to each other: a stream of gob-encoded frames each way.
type frameKind byte

const (
	// To the worker.
	frameRun       frameKind = iota + 1 // call a function
	frameConstruct                      // make the actor that this worker will be
	frameMethod                         // call a method of it
	frameCancel                         // end the context of Task
	frameReply                          // to the request Seq
	frameCollect                        // release the references that are garbage
	// To the engine.
	frameResult    // of Task
	frameRequest   // a call of the engine interface, Op
	frameCollected // to frameCollect, behind the releases
	frameAbandon   // nobody waits for the reply to Seq any more
)

// An op is a method of the engine interface.
type op byte

const (
	opPut op = iota + 1
	opGet
	opWait
	opRetain
	opRelease
	opDrop
	opSubmit
	opCancel
	opCreate
	opLookup
	opKill
	opResources
)

// A frame has the members that its kind needs.
type frame struct {
	Kind    frameKind
	Op      op
	Seq     uint64
	Task    string
	ID      string
	Name    string
	IDs     []string
	N       int
	Restart bool
	Call    *call
	Value   *payload
	Flaw    *flaw
	Stack   string
	There   []bool
	Total   amounts
	Free    amounts
}

// A line is one end of the connection. Frames of several goroutines do not mix.
type line struct {
	conn io.ReadWriteCloser
	dec  *gob.Decoder

	mu  sync.Mutex
	out *bufio.Writer
	enc *gob.Encoder
}

func newLine(conn io.ReadWriteCloser) *line {
	l := &line{conn: conn, dec: gob.NewDecoder(bufio.NewReader(conn)), out: bufio.NewWriter(conn)}
	l.enc = gob.NewEncoder(l.out)
	return l
}

func (l *line) send(f frame) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.enc.Encode(f); err != nil {
		return err
	}
	return l.out.Flush()
}

// cancelGrace is how long a worker process may go on with a task whose context has ended.
const cancelGrace = time.Second

// workerEnv tells a process that it is a worker, by the number of the descriptor it talks through.
const workerEnv = "MOBULA_RAY_WORKER"
