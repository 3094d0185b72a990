package jobs

import (
	"context"
	"fmt"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/container"
	"github.com/mobula-ml/mobula/internal/runner"
)

// addContainer gives the hosts the file system and the settings of a container image.
func (p *pass) addContainer(ctx context.Context, spec *runner.Spec, i *container.Image) error {
	if i == nil {
		return nil
	}
	if p.svc.Runner.Name() != runner.Namespace {
		return clientError("image %s: container images need namespaces, which this server does not use; `mobula doctor` says what to allow", i.Name)
	}
	now := p.svc.World.Now()
	if err := p.change(ctx, func(j *job) {
		j.turn(awsapi.SecondaryStatusDownloading, fmt.Sprintf("Preparing the image %s", i.Name), now)
	}); err != nil {
		return err
	}
	root, err := p.svc.Containers.Root(ctx, *i)
	if err != nil {
		if ctx.Err() != nil {
			return err
		}
		return clientError("%v", err)
	}
	i.Fill(spec, root)
	return nil
}
