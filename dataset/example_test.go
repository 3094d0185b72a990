package dataset_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/mobula-ml/mobula/dataset"
)

// Prepare houses for training: shuffle, split, scale by what the training rows teach, write the label first.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "houses-")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	csv := "PRICE,SQUARE_FEET,DECK\n490098,3000,0\n381981,2700,0\n350000,2500,1\n512300,3300,1\n268000,1900,0\n"
	if err := os.WriteFile(filepath.Join(dir, "houses.csv"), []byte(csv), 0o644); err != nil {
		panic(err)
	}

	s, err := dataset.Open(dataset.Config{MemoryLimit: "1GB"})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	houses, err := s.ReadCSV(ctx, filepath.Join(dir, "houses.csv"), dataset.CSVOptions{})
	if err != nil {
		panic(err)
	}
	parts, err := houses.RandomShuffle(42).SplitProportionately(0.6, 0.2, 0.2)
	if err != nil {
		panic(err)
	}
	scaler, err := dataset.StandardScaler{Columns: []string{"SQUARE_FEET"}}.Learn(ctx, parts[0])
	if err != nil {
		panic(err)
	}
	for i, name := range []string{"train.csv", "validation.csv", "test.csv"} {
		path := filepath.Join(dir, name)
		if err := scaler.Transform(parts[i]).WriteCSV(ctx, path, dataset.WriteOptions{Columns: []string{"PRICE", "SQUARE_FEET", "DECK"}}); err != nil {
			panic(err)
		}
		written, _ := os.ReadFile(path)
		fmt.Printf("%s\n%s", name, written)
	}
	// Output:
	// train.csv
	// 381981,-0.16222142113076327,0
	// 490098,1.2977713690460995,0
	// 350000,-1.1355499479153384,1
	// validation.csv
	// 268000,-4.055535528269064,0
	// test.csv
	// 512300,2.7577641592229623,1
}

func ExampleDataset_Filter() {
	s, err := dataset.Open(dataset.Config{})
	if err != nil {
		panic(err)
	}
	defer s.Close()
	file := filepath.Join(os.TempDir(), fmt.Sprintf("filter-%d.csv", os.Getpid()))
	defer os.Remove(file)
	if err := os.WriteFile(file, []byte("city,price\nOslo,3\nRome,2\nO'Hara,1\n"), 0o644); err != nil {
		panic(err)
	}
	d, err := s.ReadCSV(context.Background(), file, dataset.CSVOptions{})
	if err != nil {
		panic(err)
	}
	cheap := d.Filter("price < 3 AND city <> "+dataset.Quote("O'Hara")).WithColumn("double", "price * 2")
	for row, err := range cheap.Rows(context.Background()) {
		fmt.Println(row, err)
	}
	_, err = d.Drop("rooms").Count(context.Background())
	fmt.Println(err)
	// Output:
	// [Rome 2 4] <nil>
	// dataset: Drop: no column "rooms"; the columns are city, price
}
