package enginetest

import "drydock/orchestrator"

func pinnedImage(tr *trial) {
	name, retag := tr.Tag(tr.T)
	run := func(images map[string]string) orchestrator.ContainerObservation {
		s := tr.spec(Graceful)
		s.Containers[0].Image, s.Images = name, images
		tr.run(s)
		return tr.container(s, Graceful)
	}
	first := run(nil)
	retag()
	pinned, fresh := run(map[string]string{Graceful: first.ImageDigest}), run(nil)
	if pinned.ImageDigest != first.ImageDigest || pinned.Image != name {
		tr.Errorf("pinned to %s it runs %s as %s", first.ImageDigest, pinned.ImageDigest, pinned.Image)
	}
	if fresh.ImageDigest == first.ImageDigest {
		tr.Error("not pinned it does not run what the tag means now")
	}
}
