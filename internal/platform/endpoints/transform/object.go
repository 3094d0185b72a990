package transform

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/mobula-ml/mobula/internal/object"
	"github.com/mobula-ml/mobula/internal/platform/endpoints/serving"
)

// object transforms one object and writes its output.
func (p *pass) object(ctx context.Context, in input, done *progress) error {
	body, _, err := p.svc.Objects.Get(ctx, in.bucket, in.key)
	if errors.Is(err, object.ErrNoSuchKey) || errors.Is(err, object.ErrNoSuchBucket) {
		return clientError("there is no object of that key")
	}
	if err != nil {
		return err
	}
	defer body.Close()
	var from io.Reader = body
	if p.plan.gzip {
		if from, err = gzip.NewReader(body); err != nil {
			return clientError("it is no gzip: %v", err)
		}
	}
	out, err := os.CreateTemp(p.svc.Dir, p.job.ID+".out-")
	if err != nil {
		return err
	}
	defer os.Remove(out.Name())
	to := bufio.NewWriterSize(out, 1<<16)
	err = p.transform(ctx, from, to)
	if err = errors.Join(err, to.Flush(), out.Close()); err != nil {
		return err
	}
	key := strings.TrimPrefix(strings.TrimSuffix(p.plan.outPrefix, "/")+"/"+in.name+".out", "/")
	_, err = p.svc.Objects.PutFile(ctx, p.plan.outBucket, key, out.Name(), object.PutOptions{ContentType: p.plan.accept, Move: true})
	if errors.Is(err, object.ErrNoSuchBucket) {
		return clientError("the bucket '%s' of the output does not exist", p.plan.outBucket)
	}
	if err != nil {
		return err
	}
	return done.add(in.key)
}

// transform has the batches of an object answered, several at a time, and writes the answers in their order.
func (p *pass) transform(ctx context.Context, from io.Reader, to io.Writer) error {
	type result struct {
		text []byte
		err  error
	}
	ctx, cancel := context.WithCancel(ctx)
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	queue := make(chan chan result, cap(p.slots))
	wg.Go(func() {
		defer close(queue)
		first := 1
		for batch, err := range p.batches(from) {
			answer := make(chan result, 1)
			select {
			case queue <- answer:
			case <-ctx.Done():
				return
			}
			if err != nil {
				answer <- result{err: err}
				return
			}
			select {
			case p.slots <- struct{}{}:
			case <-ctx.Done():
				answer <- result{err: ctx.Err()}
				return
			}
			number := first
			first += len(batch)
			wg.Go(func() {
				defer func() { <-p.slots }()
				text, err := p.answer(ctx, batch)
				var user *userError
				if errors.As(err, &user) && (p.plan.lines || p.plan.frames != nil) {
					err = clientError("from record %d on: %s", number, user.text)
				}
				answer <- result{text, err}
			})
		}
	})
	for answer := range queue {
		r := <-answer
		if r.err != nil {
			return r.err
		}
		if _, err := to.Write(r.text); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// maxLine bounds a record where the request sets no limit to payloads, in bytes.
const maxLine = 100 << 20

// batches splits what is read into batches of records. An object that is not split is one batch.
func (p *pass) batches(from io.Reader) iter.Seq2[[][]byte, error] {
	limit := p.payload
	if limit == 0 {
		limit = maxLine
	}
	tooLarge := clientError("a record is larger than MaxPayloadInMB, %d MB", limit>>20)
	if p.plan.frames != nil {
		return p.frameBatches(from, limit, tooLarge)
	}
	return func(yield func([][]byte, error) bool) {
		if !p.plan.lines {
			body, err := io.ReadAll(io.LimitReader(from, limit+1))
			switch {
			case err != nil:
				yield(nil, unreadable(err))
			case int64(len(body)) > limit:
				yield(nil, tooLarge)
			default:
				yield([][]byte{body}, nil)
			}
			return
		}
		lines := bufio.NewScanner(from)
		lines.Buffer(make([]byte, 1<<16), int(min(limit+2, maxLine+2)))
		var batch [][]byte
		size := int64(0)
		for lines.Scan() {
			line := bytes.TrimSuffix(lines.Bytes(), []byte("\r"))
			if len(line) == 0 {
				continue
			}
			if len(batch) > 0 && (p.plan.single || size+int64(len(line))+1 > limit) {
				if !yield(batch, nil) {
					return
				}
				batch, size = nil, 0
			}
			batch, size = append(batch, bytes.Clone(line)), size+int64(len(line))+1
		}
		switch err := lines.Err(); {
		case errors.Is(err, bufio.ErrTooLong):
			yield(nil, tooLarge)
		case err != nil:
			yield(nil, unreadable(err))
		case len(batch) > 0:
			yield(batch, nil)
		}
	}
}

// unreadable is the error of an object that ends in its middle or is no gzip from there on.
func unreadable(err error) error {
	if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) || errors.Is(err, io.ErrUnexpectedEOF) {
		return clientError("it is no sound gzip: %v", err)
	}
	return err
}

// answer has a batch answered, and makes of the answer what goes to the output.
func (p *pass) answer(ctx context.Context, batch [][]byte) ([]byte, error) {
	if !p.plan.looks() {
		text, err := p.ask(ctx, bytes.Join(batch, p.plan.between()))
		if err == nil && p.plan.assemble && !bytes.HasSuffix(text, []byte("\n")) {
			text = append(text, '\n')
		}
		return text, err
	}
	records := batch
	if !p.plan.lines && p.plan.manyRecords() {
		records = split(batch[0])
	}
	inputs, asked := make([]any, len(records)), make([][]byte, len(records))
	for i, text := range records {
		v, err := p.plan.in.parse(text)
		if err != nil {
			return nil, clientError("record %d of the batch: %v", i+1, err)
		}
		inputs[i], asked[i] = v, text
		if p.plan.inputFilter != nil {
			if v, err = p.plan.inputFilter.find(v); err != nil {
				return nil, clientError("record %d of the batch: inputFilter: %v", i+1, err)
			}
			if asked[i], err = p.plan.in.render(v); err != nil {
				return nil, err
			}
		}
	}
	text, err := p.ask(ctx, bytes.Join(asked, []byte("\n")))
	if err != nil {
		return nil, err
	}
	answers := [][]byte{text}
	if p.plan.out == csvForm || len(records) != 1 {
		answers = split(text)
	}
	if len(answers) != len(records) {
		return nil, clientError("the model gave %d answers to %d records; filters and joins need one answer for each", len(answers), len(records))
	}
	return p.shape(inputs, answers)
}

// manyRecords says whether an object that is not split holds a record in each line all the same.
func (p *plan) manyRecords() bool {
	return p.in == csvForm || !strings.HasPrefix(p.contentType, "application/json;") && p.contentType != "application/json"
}

func split(text []byte) (lines [][]byte) {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimRight(line, "\r\n"); len(line) > 0 {
			lines = append(lines, line)
		}
	}
	return lines
}

// shape joins and filters the answers.
func (p *pass) shape(inputs []any, answers [][]byte) ([]byte, error) {
	var all bytes.Buffer
	for i, text := range answers {
		v, err := p.plan.out.parse(text)
		if err != nil {
			return nil, clientError("answer %d of the batch: %v", i+1, err)
		}
		if p.plan.join {
			v = p.plan.in.join(inputs[i], v)
		}
		if p.plan.outputFilter != nil {
			if v, err = p.plan.outputFilter.find(v); err != nil {
				return nil, clientError("answer %d of the batch: outputFilter: %v", i+1, err)
			}
		}
		b, err := p.plan.out.render(v)
		if err != nil {
			return nil, err
		}
		all.Write(b)
		if p.plan.lines || p.plan.manyRecords() || p.plan.assemble {
			all.WriteByte('\n')
		}
	}
	return all.Bytes(), nil
}

// Limits of one request to the model.
const (
	defaultTimeout = 600 * time.Second
	defaultRetries = 3
	maxAnswer      = 100 << 20
	firstWait      = 100 * time.Millisecond
)

// timeout is how long one request may take.
func (j *job) timeout() time.Duration {
	if c := j.Request.ModelClientConfig; c != nil && c.InvocationsTimeoutInSeconds != nil {
		return time.Duration(*c.InvocationsTimeoutInSeconds) * time.Second
	}
	return defaultTimeout
}

// ask has the model answer one request, which is sent again where the model fails.
func (p *pass) ask(ctx context.Context, body []byte) ([]byte, error) {
	retries := defaultRetries
	if c := p.job.Request.ModelClientConfig; c != nil && c.InvocationsMaxRetries != nil {
		retries = int(*c.InvocationsMaxRetries)
	}
	r := serving.Request{Body: body, ContentType: p.plan.contentType, Accept: p.plan.accept}
	for attempt := 0; ; attempt++ {
		limited, cancel := context.WithTimeout(ctx, p.job.timeout())
		a, err := p.current().Ask(limited, r, maxAnswer)
		cancel()
		wrong := ""
		switch {
		case ctx.Err() != nil:
			return nil, ctx.Err()
		case err == nil && a.Status/100 == 2:
			return a.Body, nil
		case err == nil:
			wrong = fmt.Sprintf("the model answered with status %d: %s", a.Status, strings.ToValidUTF8(string(a.Body[:min(len(a.Body), 512)]), "�"))
		case errors.Is(err, context.DeadlineExceeded):
			wrong = fmt.Sprintf("the model gave no answer within %s", p.job.timeout())
		default:
			wrong = "the model gave no answer: " + err.Error()
		}
		if attempt >= retries || err == nil && a.Status < 500 || errors.Is(err, serving.ErrTooLarge) {
			return nil, &userError{wrong}
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(firstWait << attempt):
		}
		if err != nil && serving.Died(err) {
			if err := p.revive(ctx); err != nil {
				return nil, err
			}
		}
	}
}
