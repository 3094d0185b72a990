package awsapi

import (
	"encoding/json"
	"reflect"
	"testing"
)

func TestFillGivesWhatEncodingJSONGives(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		shape, in string
		into      func() any
	}{
		{"CreateProcessingJobRequest", `{"ProcessingJobName":"a","RoleArn":"arn:aws:iam::123456789012:role/x","Environment":{"A":"b"},
			"AppSpecification":{"ImageUri":"i","ContainerArguments":["x","y"]},"StoppingCondition":{"MaxRuntimeInSeconds":60},
			"ProcessingResources":{"ClusterConfig":{"InstanceCount":1,"InstanceType":"ml.m5.xlarge","VolumeSizeInGB":3e1}},
			"NetworkConfig":{"EnableNetworkIsolation":true},"Tags":[{"Key":"k","Value":"v"}]}`, func() any { return new(CreateProcessingJobRequest) }},
		{"BatchPutMetricsRequest", `{"TrialComponentName":"a","MetricData":[{"MetricName":"m","Timestamp":1767323045.678,"Step":3,"Value":1.5}]}`, func() any { return new(BatchPutMetricsRequest) }},
		{"DescribeTrainingJobResponse", `{"HyperParameters":{"a":"1"},"FinalMetricDataList":[{"MetricName":"x","Value":0.25,"Timestamp":1767323045}]}`, func() any { return new(DescribeTrainingJobResponse) }},
	} {
		want, got, tree := c.into(), c.into(), decode(t, c.in)
		whole := c.in
		if c.shape == "CreateProcessingJobRequest" { // encoding/json does not read 3e1 as a whole number
			b, _ := json.Marshal(decode(t, c.in))
			whole = string(b)
			whole = replaceOnce(whole, "3e1", "30")
		}
		if err := json.Unmarshal([]byte(whole), want); err != nil {
			t.Fatal(err)
		}
		if err := Fill(got, tree); err != nil {
			t.Fatalf("%s: %v", c.shape, err)
		}
		if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v\nwant %+v", c.shape, got, want)
		}
	}
}

func replaceOnce(s, old, new string) string {
	for i := range len(s) - len(old) {
		if s[i:i+len(old)] == old {
			return s[:i] + new + s[i+len(old):]
		}
	}
	return s
}

func TestFillRefusesWhatDoesNotFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		in   string
		into any
	}{
		{`{"StartTime":"yesterday"}`, new(UpdateTrialComponentRequest)},
		{`{"StartTime":1e300}`, new(UpdateTrialComponentRequest)},
		{`{"MaxResults":1e30}`, new(ListTrialsRequest)},
		{`{"Nothing":1}`, new(ListTrialsRequest)},
		{`[]`, new(ListTrialsRequest)},
	} {
		if err := Fill(c.into, decode(t, c.in)); err == nil || err.Code != "SerializationException" {
			t.Errorf("%s: got %v", c.in, err)
		}
	}
}

func TestFillReachesMembersOutsideTheBody(t *testing.T) {
	t.Parallel()
	in := new(InvokeEndpointInput)
	tree := map[string]any{"EndpointName": "e", "Body": []byte("1,2"), "ContentType": "text/csv"}
	if err := Check(ShapeNamed("InvokeEndpointInput"), tree, Options{}); err != nil {
		t.Fatal(err)
	}
	if err := Fill(in, tree); err != nil || Val(in.EndpointName) != "e" || string(in.Body) != "1,2" || Val(in.ContentType) != "text/csv" {
		t.Fatalf("got %+v, %v", in, err)
	}
	delete(tree, "EndpointName")
	if err := Check(ShapeNamed("InvokeEndpointInput"), tree, Options{}); err == nil {
		t.Error("a required member of the path was not missed")
	}
	out := &InvokeEndpointOutput{Body: []byte("7"), ContentType: new("text/csv")}
	if bound := BoundOf(ShapeNamed("InvokeEndpointOutput"), out); len(bound) != 2 || bound[1].String() != "text/csv" {
		t.Errorf("got %v", bound)
	}
	if names := EmptyLists(ShapeNamed("ListTrialsResponse"), &ListTrialsResponse{}); len(names) != 1 || names[0] != "TrialSummaries" {
		t.Errorf("got %v", names)
	}
}

func BenchmarkCheckAndFillPutRecord(b *testing.B) {
	text := []byte(`{"FeatureGroupName":"g","Record":[{"FeatureName":"ID","ValueAsString":"1"},{"FeatureName":"CITY","ValueAsString":"berlin"},{"FeatureName":"SQUARE_FEET","ValueAsString":"1999.5"},
		{"FeatureName":"NUM_BEDROOMS","ValueAsString":"3"},{"FeatureName":"NUM_BATHROOMS","ValueAsString":"2.5"},{"FeatureName":"LOT_ACRES","ValueAsString":"0.81"},{"FeatureName":"GARAGE","ValueAsString":"2"},
		{"FeatureName":"FRONT_PORCH","ValueAsString":"1"},{"FeatureName":"DECK","ValueAsString":"0"},{"FeatureName":"PRICE","ValueAsString":"401234"},{"FeatureName":"event_time","ValueAsString":"1767323045.5"}]}`)
	shape := ShapeNamed("PutRecordRequest")
	b.ReportAllocs()
	for b.Loop() {
		tree, err := Tree(text)
		if err != nil {
			b.Fatal(err)
		}
		if err := Check(shape, tree, Options{}); err != nil {
			b.Fatal(err)
		}
		if err := Fill(new(PutRecordRequest), tree); err != nil {
			b.Fatal(err)
		}
	}
}
