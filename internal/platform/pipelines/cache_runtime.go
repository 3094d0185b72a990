package pipelines

import (
	"maps"
	"slices"

	"github.com/mobula-ml/mobula/internal/pyenv"
)

// Runtimes tells which Python world an image gets.
type Runtimes interface {
	Find(image string) (pyenv.Runtime, bool)
}

// imageMembers are the members by which the arguments of steps, and models, name an image.
var imageMembers = []string{"ImageUri", "TrainingImage", "Image"}

// imagesIn lists the images that a tree names, each once and sorted.
func imagesIn(tree any) (images []string) {
	found := map[string]bool{}
	var walk func(any)
	walk = func(tree any) {
		switch x := tree.(type) {
		case []any:
			for _, e := range x {
				walk(e)
			}
		case map[string]any:
			for name, e := range x {
				if image, ok := e.(string); ok && slices.Contains(imageMembers, name) {
					found[image] = true
				}
				walk(e)
			}
		}
	}
	walk(tree)
	return slices.Sorted(maps.Keys(found))
}

// addRuntimes puts into the key what the libraries of a step follow from: the runtimes of its images, as the table has them. A runtime without a
// day takes the packages of the day that it is built on; that day is not in the key, or nothing would be found again after midnight.
func (k *key) addRuntimes(table Runtimes, members map[string]any) {
	if table == nil {
		return
	}
	seen := map[string]bool{}
	for _, image := range imagesIn(members) {
		r, ok := table.Find(image)
		if !ok || seen[r.Name] {
			continue
		}
		seen[r.Name] = true
		packages := slices.Sorted(slices.Values(r.Packages))
		k.Parts = append(k.Parts, part{Name: "the Python runtime " + r.Name, Digest: digest(slices.Concat([]string{r.Python, r.AsOf, r.Container}, packages)...)})
	}
}
