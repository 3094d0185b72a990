package scriptmode

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/mobula-ml/mobula/internal/records"
)

// FeedFolder has a Feed for each channel in Pipe mode, as JSON in a file of the channel's name, below /opt/ml.
const FeedFolder = ".mobula/feed"

// A Feed is what goes through the pipe of a channel.
type Feed struct {
	Items    [][]Piece // each an object, or a line of an augmented manifest, whose pieces stay together
	RecordIO bool      // each piece is wrapped in a record
	Gzip     bool      // the objects are compressed, and are unpacked on their way
	Seed     *int64    // the items have another order in each epoch, which follows from it
	Host     int       // of the items of an epoch, this host, counted from 0, gives each that falls to it where Hosts share them
	Hosts    int
}

// A Piece is an object, by its file in the channel's folder, or the text itself.
type Piece struct {
	File string `json:",omitempty"`
	Text string `json:",omitempty"`
}

func readFeed(ml, channel string) (f Feed, err error) {
	b, err := os.ReadFile(filepath.Join(ml, FeedFolder, channel))
	if err != nil {
		return f, err
	}
	return f, json.Unmarshal(b, &f)
}

// Order is the order of n things in an epoch of a channel that is shuffled.
func Order(n int, seed int64, epoch int) []int {
	return rand.New(rand.NewPCG(uint64(seed), uint64(epoch))).Perm(n)
}

// write gives the data of one epoch.
func (f *Feed) write(w io.Writer, folder string, epoch int) error {
	items := f.Items
	if f.Seed != nil {
		items = slices.Clone(items)
		for to, from := range Order(len(items), *f.Seed, epoch) {
			items[to] = f.Items[from]
		}
	}
	for i, item := range items {
		if f.Hosts > 1 && i%f.Hosts != f.Host {
			continue
		}
		for _, piece := range item {
			if err := f.writePiece(w, folder, piece); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Feed) writePiece(w io.Writer, folder string, piece Piece) error {
	if piece.File == "" {
		return f.wrap(w, strings.NewReader(piece.Text), int64(len(piece.Text)))
	}
	file, err := os.Open(filepath.Join(folder, piece.File))
	if err != nil {
		return err
	}
	defer file.Close()
	if !f.Gzip {
		info, err := file.Stat()
		if err != nil {
			return err
		}
		return f.wrap(w, file, info.Size())
	}
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return fmt.Errorf("%s is no gzip: %w", piece.File, err)
	}
	if !f.RecordIO {
		_, err := io.Copy(w, unpacked)
		return err
	}
	all, err := io.ReadAll(io.LimitReader(unpacked, records.MaxRecordIO+1)) // a record begins with its length
	if err != nil {
		return fmt.Errorf("%s is no sound gzip: %w", piece.File, err)
	}
	return f.wrap(w, bytes.NewReader(all), int64(len(all)))
}

func (f *Feed) wrap(w io.Writer, r io.Reader, size int64) error {
	if f.RecordIO {
		return records.WriteRecordIO(w, r, size)
	}
	_, err := io.Copy(w, r)
	return err
}
