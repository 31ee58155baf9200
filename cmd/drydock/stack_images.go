package main

import (
	"os"
	"path/filepath"
	"reflect"

	"go.yaml.in/yaml/v3"
)

// imageBuild is what stands under `build:` of an image. It has the shape of an AWS input,
// so that it is read with the same care.
type imageBuild struct {
	Context    *string
	Dockerfile *string
	Args       map[string]string
}

func (r *stackReader) readImages(n *yaml.Node, path string) {
	r.each(n, path, func(tag string, n *yaml.Node, path string) {
		image := stackImage{path: path, tag: tag}
		for _, e := range r.entries(n, path) {
			switch {
			case e.key.Value == "build":
				r.readBuild(e.value, join(path, "build"), &image)
			case e.key.Value == "tag" && e.value.Kind == yaml.ScalarNode && tag == "":
				image.tag = e.value.Value
			default:
				r.fail(e.key, join(path, e.key.Value), "there is no such field of an image", didYouMean(e.key.Value, []string{"build", "tag"}))
			}
		}
		r.checkImage(n, path, image)
		r.stack.images = append(r.stack.images, image)
	})
}

func (r *stackReader) readBuild(n *yaml.Node, path string, image *stackImage) {
	image.context, image.dockerfile = ".", "Dockerfile"
	if n.Kind == yaml.ScalarNode && !isNull(n) { // build: DIR
		image.context = n.Value
		return
	}
	var build imageBuild
	own := map[string]func(*yaml.Node, string){
		"run": func(n *yaml.Node, path string) { image.run = r.commands(n, path) },
	}
	r.withOwn(own, func() { r.shape(n, reflect.ValueOf(&build).Elem(), path) })
	if build.Context != nil {
		image.context = *build.Context
	}
	if build.Dockerfile != nil {
		image.dockerfile = *build.Dockerfile
	}
	image.args = build.Args
}

// commands reads one shell command or a list of them.
func (r *stackReader) commands(n *yaml.Node, path string) []string {
	if n.Kind == yaml.ScalarNode && !isNull(n) {
		return []string{n.Value}
	}
	var all []string
	r.value(n, reflect.ValueOf(&all).Elem(), "", path)
	return all
}

func (r *stackReader) checkImage(n *yaml.Node, path string, image stackImage) {
	if image.tag == "" {
		r.fail(n, path, "has no tag", "write images as `TAG: {build: …}`")
		return
	}
	if image.context == "" {
		r.fail(n, path, "has no build", "say how to build it: `build: {context: ., dockerfile: Dockerfile}`")
		return
	}
	context := r.stack.path(image.context)
	if info, err := os.Stat(context); err != nil || !info.IsDir() {
		r.fail(n, path+".build.context", context+" is not a directory", "paths are relative to "+r.stack.dir)
		return
	}
	if _, err := os.Stat(filepath.Join(context, image.dockerfile)); err != nil && len(image.run) == 0 {
		r.fail(n, path+".build.dockerfile", "there is no "+filepath.Join(context, image.dockerfile), "it is relative to the context")
	}
}

// path returns a path in the stack file as this process finds it.
func (s *stack) path(p string) string {
	if filepath.IsAbs(p) {
		return p
	}
	return filepath.Join(s.dir, p)
}
