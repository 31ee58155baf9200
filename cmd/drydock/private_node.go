package main

import "net/http"

// forward has the load balancer node answer.
func (d *daemon) forward(path string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if err := d.node.Forward(w, r, path); err != nil {
			refuse(w, http.StatusBadGateway, err.Error(), "the daemon starts it again; see `drydock events`")
		}
	}
}

// serveReplace has a new process take the load balancers' listeners over from the present one.
func (d *daemon) serveReplace(w http.ResponseWriter, r *http.Request) {
	if err := d.node.Replace(r.Context()); err != nil {
		refuse(w, http.StatusBadGateway, "the load balancer node was not replaced: "+err.Error(), "it goes on as it is; see the events")
		return
	}
	state, err := d.node.State(r.Context())
	reply(w, nodeStatus(state, err))
}
