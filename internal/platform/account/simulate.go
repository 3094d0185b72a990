package account

import (
	"context"
	"regexp"
	"strconv"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

var principalARN = regexp.MustCompile(`^arn:aws[a-z-]*:iam::\d{12}:(?:role|user|group)/.+$`)

// SimulatePrincipalPolicy says what a principal may do. The server has no policies: whoever has a key of it may do everything that it serves,
// so every action is allowed.
func (s *Service) SimulatePrincipalPolicy(_ context.Context, in *awsapi.SimulatePrincipalPolicyRequest) (*awsapi.SimulatePolicyResponse, error) {
	if !principalARN.MatchString(awsapi.Val(in.PolicySourceArn)) {
		return nil, &awsapi.Error{Code: "InvalidInput", Status: 400, Message: "Invalid Entity Arn: " + awsapi.Val(in.PolicySourceArn) + " is not the ARN of a role, a user or a group."}
	}
	resources := in.ResourceArns
	if len(resources) == 0 {
		resources = []string{"*"}
	}
	from, limit := 0, 100
	if in.MaxItems != nil {
		limit = int(*in.MaxItems)
	}
	all := len(in.ActionNames) * len(resources)
	if in.Marker != nil {
		n, err := strconv.Atoi(*in.Marker)
		if err != nil || n < 0 || n > all {
			return nil, &awsapi.Error{Code: "InvalidInput", Status: 400, Message: "Marker is not one that this operation gave."}
		}
		from = n
	}
	to := min(from+limit, all)
	out := &awsapi.SimulatePolicyResponse{EvaluationResults: []awsapi.EvaluationResult{}, IsTruncated: new(to < all)}
	for i := from; i < to; i++ {
		out.EvaluationResults = append(out.EvaluationResults, awsapi.EvaluationResult{EvalActionName: &in.ActionNames[i/len(resources)],
			EvalResourceName: &resources[i%len(resources)], EvalDecision: new(awsapi.PolicyEvaluationDecisionTypeAllowed)})
	}
	if to < all {
		out.Marker = new(strconv.Itoa(to))
	}
	return out, nil
}
