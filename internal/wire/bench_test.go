package wire_test

import (
	"fmt"
	"io"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/mobula-ml/mobula/internal/awsapi"
)

// The whole way of a request: signed by the client, over loopback, verified, decoded, checked, encoded. The room does next to nothing, so what is
// measured is what the API costs. Client and server share the cores.

func BenchmarkPutRecord(b *testing.B) {
	e := start(b, nil)
	c := e.client()
	var record []awsapi.FeatureValue
	for i := range 11 {
		record = append(record, awsapi.FeatureValue{FeatureName: new(fmt.Sprintf("FEATURE_%d", i)), ValueAsString: new("1234.5")})
	}
	b.ReportAllocs()
	b.SetParallelism(8)
	b.RunParallel(func(pb *testing.PB) {
		for pb.Next() {
			if err := c.PutRecord(b.Context(), &awsapi.PutRecordRequest{FeatureGroupName: new("g"), Record: record}); err != nil {
				b.Error(err)
				return
			}
		}
	})
	b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "requests/s")
}

func BenchmarkInvokeEndpoint(b *testing.B) {
	e := start(b, nil)
	c := e.client()
	row := []byte(strings.Repeat("1.25,", 10) + "0")
	b.ReportAllocs()
	for b.Loop() {
		if _, err := c.InvokeEndpoint(b.Context(), &awsapi.InvokeEndpointInput{EndpointName: new("e"), Body: row, ContentType: new("text/csv")}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkServe is the server's part alone.
func BenchmarkServe(b *testing.B) {
	for name, body := range map[string]string{
		"PutRecord": `{"Record":[` + strings.TrimSuffix(strings.Repeat(`{"FeatureName":"FEATURE_1","ValueAsString":"1234.5"},`, 11), ",") + `]}`,
		"Invoke":    "1.25,2.5",
	} {
		b.Run(name, func(b *testing.B) {
			e := start(b, nil)
			method, path := "PUT", "/FeatureGroup/g"
			if name == "Invoke" {
				method, path = "POST", "/endpoints/e/invocations"
			}
			r := e.signed(b, method, path, "sagemaker", body)
			r.Host = r.URL.Host
			b.ReportAllocs()
			for b.Loop() {
				r.Body = io.NopCloser(strings.NewReader(body))
				w := httptest.NewRecorder()
				if e.handler.ServeHTTP(w, r); w.Code != 200 {
					b.Fatal(w.Code, w.Body)
				}
			}
		})
	}
}
