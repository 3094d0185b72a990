package jobs

import (
	"context"

	"github.com/mobula-ml/mobula/internal/awsapi"
	"github.com/mobula-ml/mobula/internal/identity"
	"github.com/mobula-ml/mobula/internal/store"
)

// UpdateTrainingJob changes what of a job may change while it runs: how it is profiled, and whether it may be debugged from afar. Both are kept, and
// have no effect here.
func (s *Service) UpdateTrainingJob(ctx context.Context, in *awsapi.UpdateTrainingJobRequest) (*awsapi.UpdateTrainingJobResponse, error) {
	out := &awsapi.UpdateTrainingJobResponse{}
	return out, s.DB.Update(ctx, func(tx *store.Tx) error {
		j, err := find(tx, trainingKind, identity.From(ctx).Scope(), in.TrainingJobName)
		if err != nil {
			return err
		}
		if in.ResourceConfig != nil { // how long a warm pool is kept after its job
			return awsapi.Validation("ResourceConfig can be updated only while the warm pool of a training job is Available. %s has no warm pool.", j.ARN)
		}
		if j.Status != awsapi.TrainingJobStatusInProgress {
			return awsapi.Validation("The request was rejected because the training job is in status %s. Only a job that is InProgress can be updated.", j.Status)
		}
		if u := in.ProfilerConfig; u != nil {
			j.Training.ProfilerConfig = profiledAs(j.Training.ProfilerConfig, u)
		}
		if in.ProfilerRuleConfigurations != nil {
			j.Training.ProfilerRuleConfigurations = in.ProfilerRuleConfigurations
		}
		if in.RemoteDebugConfig != nil {
			j.Training.RemoteDebugConfig = &awsapi.RemoteDebugConfig{EnableRemoteDebug: in.RemoteDebugConfig.EnableRemoteDebug}
		}
		j.Modified, out.TrainingJobArn = s.World.Now(), &j.ARN
		return j.rows().Put(tx, j.Scope, j.Name, j)
	})
}

// profiledAs is a profiler's configuration with the members changed that an update has.
func profiledAs(was *awsapi.ProfilerConfig, u *awsapi.ProfilerConfigForUpdate) *awsapi.ProfilerConfig {
	c := awsapi.ProfilerConfig{}
	if was != nil {
		c = *was
	}
	if u.S3OutputPath != nil {
		c.S3OutputPath = u.S3OutputPath
	}
	if u.ProfilingIntervalInMilliseconds != nil {
		c.ProfilingIntervalInMilliseconds = u.ProfilingIntervalInMilliseconds
	}
	if u.ProfilingParameters != nil {
		c.ProfilingParameters = u.ProfilingParameters
	}
	if u.DisableProfiler != nil {
		c.DisableProfiler = u.DisableProfiler
	}
	return &c
}
