package pipeline

import (
	"context"
	"fmt"
	"os"
	"strings"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/s3client"
)

// Upsert creates the workflow's pipeline, or updates it where there is one, and returns its ARN. The running program is uploaded where a step
// runs it and the bucket does not have it. Nothing is sent where the workflow has problems.
func (c *Client) Upsert(ctx context.Context, w *Workflow) (arn string, err error) {
	if _, err := w.Build(); err != nil {
		return "", err
	}
	target, err := c.targetOf(ctx, w)
	if err != nil {
		return "", fmt.Errorf("pipeline %s: %w", w.Name, err)
	}
	definition, err := w.build(target)
	if err != nil {
		return "", err
	}
	if w.hasCode() {
		if err := c.uploadProgram(ctx, target); err != nil {
			return "", fmt.Errorf("pipeline %s: upload the program: %w", w.Name, err)
		}
	}
	create := &awsapi.CreatePipelineRequest{PipelineName: &w.Name, PipelineDefinition: new(string(definition)), RoleArn: &target.RoleARN,
		PipelineDisplayName: awsapi.Optional(w.DisplayName), PipelineDescription: awsapi.Optional(w.Description)}
	made, err := c.api.CreatePipeline(ctx, create)
	if err == nil {
		return awsapi.Val(made.PipelineArn), nil
	}
	if !awsapi.IsCode(err, "ValidationException") || !strings.Contains(err.Error(), "already exists") {
		return "", fmt.Errorf("create pipeline %s: %w", w.Name, err)
	}
	updated, err := c.api.UpdatePipeline(ctx, &awsapi.UpdatePipelineRequest{PipelineName: create.PipelineName, PipelineDefinition: create.PipelineDefinition,
		RoleArn: create.RoleArn, PipelineDisplayName: create.PipelineDisplayName, PipelineDescription: create.PipelineDescription})
	if err != nil {
		return "", fmt.Errorf("update pipeline %s: %w", w.Name, err)
	}
	return awsapi.Val(updated.PipelineArn), nil
}

// Definition is what Upsert would send.
func (c *Client) Definition(ctx context.Context, w *Workflow) ([]byte, error) {
	target, err := c.targetOf(ctx, w)
	if err != nil {
		return nil, err
	}
	return w.build(target)
}

// targetOf fills in what the workflow's own target leaves out.
func (c *Client) targetOf(ctx context.Context, w *Workflow) (Target, error) {
	caller, err := c.Target(ctx)
	if err != nil {
		return Target{}, err
	}
	t := w.Target
	for _, f := range []struct{ mine, callers *string }{{&t.Region, &caller.Region}, {&t.Account, &caller.Account}, {&t.RoleARN, &caller.RoleARN}} {
		if *f.mine == "" {
			*f.mine = *f.callers
		}
	}
	return t.withDefaults(), nil
}

// uploadProgram puts the program where the definition says it is. It lies under the hash of its content, so one that is there is the same.
func (c *Client) uploadProgram(ctx context.Context, t Target) error {
	p := (&builder{target: t}).program()
	key := "mobula/bin/" + p.SHA256 + "/" + p.Name
	_, err := c.objects.Head(ctx, t.Bucket, key)
	if err == nil || !s3client.IsNotFound(err) {
		return err
	}
	running, err := runningProgram()
	if err != nil {
		return err
	}
	if p.SHA256 != running.SHA256 {
		return fmt.Errorf("the workflow's program %s with hash %s is not in s3://%s/%s, and the running program is another", p.Name, p.SHA256, t.Bucket, key)
	}
	path, err := os.Executable()
	if err != nil {
		return err
	}
	if err := c.objects.EnsureBucket(ctx, t.Bucket); err != nil {
		return err
	}
	_, err = c.objects.PutFile(ctx, t.Bucket, key, path, s3client.PutOptions{SHA256: p.SHA256, ContentType: "application/octet-stream"})
	return err
}

// Delete removes the pipeline of a name, with the records of its executions.
func (c *Client) Delete(ctx context.Context, name string) error {
	_, err := c.api.DeletePipeline(ctx, &awsapi.DeletePipelineRequest{PipelineName: &name})
	if err != nil {
		return fmt.Errorf("delete pipeline %s: %w", name, err)
	}
	return nil
}
