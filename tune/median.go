package tune

import "slices"

// Median stops a trial whose metric is worse than the median of the running averages that the trials before it had at the same epoch: the
// rule that the Developer Guide of SageMaker gives for TrainingJobEarlyStoppingType Auto ("How Early Stopping Works"), after Golovin et al.,
// "Google Vizier" (KDD 2017), section 3.2.1. The trials before it are those that have ended with a metric.
type Median struct {
	From int // the first epoch at which a trial is judged. Defaults to 1.
}

// Stop implements Stopper.
func (m Median) Stop(s State, t Trial) bool {
	epoch := len(t.Reports)
	if epoch == 0 || epoch < m.From {
		return false
	}
	var averages []float64
	for _, other := range s.Trials {
		if other.Number == t.Number || !other.scored() || len(other.Reports) < epoch {
			continue
		}
		sum := 0.0
		for _, x := range other.Reports[:epoch] {
			sum += x
		}
		averages = append(averages, sum/float64(epoch))
	}
	if len(averages) == 0 {
		return false
	}
	slices.Sort(averages)
	half := len(averages) / 2
	median := averages[half]
	if len(averages)%2 == 0 {
		median = (averages[half-1] + averages[half]) / 2
	}
	return s.Goal.compare(median, t.Reports[epoch-1]) < 0
}
