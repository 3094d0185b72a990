package jobs

import (
	"context"
	"os"
	"path/filepath"
	"time"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// lookEvery is how often the folders whose files are uploaded while the job runs are looked at.
const lookEvery = 2 * time.Second

// An output is a folder of one host whose files are uploaded one by one.
type output struct {
	name, folder, uri string
	continuous        bool // while the job runs, and whatever its end
}

// outputs are the folders of the job's hosts whose files are uploaded.
func (p *pass) outputs() (all []output) {
	_, hosts := p.job.cluster()
	for n := 1; n <= hosts; n++ {
		if t := p.job.Training; t != nil && t.CheckpointConfig != nil {
			all = append(all, output{"checkpoints", p.at(n, checkpointFolder(t.CheckpointConfig)), *t.CheckpointConfig.S3Uri, true})
		}
		if in := p.job.Processing; in != nil && in.ProcessingOutputConfig != nil {
			for _, o := range in.ProcessingOutputConfig.Outputs {
				if o.S3Output != nil && !awsapi.Val(o.AppManaged) { // else the program uploads by itself
					all = append(all, output{"output " + *o.OutputName, p.at(n, awsapi.Val(o.S3Output.LocalPath)), *o.S3Output.S3Uri,
						awsapi.Val(o.S3Output.S3UploadMode) == awsapi.ProcessingS3UploadModeContinuous})
				}
			}
		}
	}
	return all
}

// A stamp tells one content of a file from another.
type stamp struct {
	size     int64
	modified time.Time
}

func stampOf(info os.FileInfo) stamp { return stamp{info.Size(), info.ModTime()} }

// uploadWhileRunning uploads the files of continuous outputs that have not changed between two looks, until done. What fails is tried at the next look,
// and in the end by upload, which also takes what was still being written.
func (p *pass) uploadWhileRunning(ctx context.Context, done <-chan struct{}) {
	outputs := p.outputs()
	seen := map[string]stamp{}
	look := time.NewTicker(lookEvery)
	defer look.Stop()
	for {
		select {
		case <-done:
			return
		case <-ctx.Done():
			return
		case <-look.C:
		}
		for _, o := range outputs {
			if !o.continuous {
				continue
			}
			settled := func(path string, now stamp) bool {
				before, known := seen[path]
				seen[path] = now
				return known && before == now
			}
			if err := p.uploadFolder(ctx, o, settled); err != nil && ctx.Err() == nil {
				p.svc.Log.Warn("upload while the job runs", "job", p.job.ARN, "output", o.name, "error", err)
			}
		}
	}
}

// uploaded says whether a path of a host lies in a folder that is uploaded. An object that is shown there instead of copied would be taken for a
// file of the job's.
func (p *pass) uploaded(at string) bool {
	for _, o := range p.outputs() {
		if rel, err := filepath.Rel(o.folder, at); err == nil && filepath.IsLocal(rel) {
			return true
		}
	}
	return false
}
