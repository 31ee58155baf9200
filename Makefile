.PHONY: demo build test long check bench run down clean

demo: build            ## bring up examples/shop and deploy it under load
	./.ci/engine
	./examples/shop/demo.sh

build:                 ## bin/drydock
	go build -o bin/drydock ./cmd/drydock

test: build            ## everything, with the tests on real Docker
	./.ci/engine
	go test -race -timeout 45m ./...

long: build            ## an hour more: 60 s of fuzzing each, 120,000 random sequences, 100 kills
	./.ci/engine
	./.ci/fuzz 60s
	DRYDOCK_TEST_LONG=1 go test -timeout 80m ./...

check:                 ## format, vet, staticcheck, import table, facts
	./.ci/check
	go test -run 'Imports|Facts' ./...

bench: build           ## measured beside its peers; BENCH='--quick --only proxy --json FILE'
	./.ci/engine && ./.ci/peers
	go run ./bench $(BENCH)

run: build             ## the daemon in the foreground
	bin/drydock daemon

down: build            ## stop the daemon and remove everything that is ours
	bin/drydock down --all

clean:
	rm -rf bin examples/*/bin
