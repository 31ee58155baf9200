package logs

import (
	"net/http"
	"strconv"
)

// ServeHTTP answers GET with what [Delivery.Tail] writes (query: alb, the load balancer; tail,
// how many lines; follow, if it is not empty), and POST by [Delivery.Flush].
func (d *Delivery) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method == http.MethodPost {
		if err := d.Flush(r.Context()); err != nil {
			http.Error(w, err.Error(), http.StatusInternalServerError)
		}
		return
	}
	q := r.URL.Query()
	n, err := strconv.Atoi(q.Get("tail"))
	if err != nil || n < 0 {
		http.Error(w, "tail="+strconv.Quote(q.Get("tail"))+" is not a number of lines", http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	if err := d.Tail(r.Context(), q.Get("alb"), q.Get("follow") != "", n, flusher{w, http.NewResponseController(w)}); err != nil {
		http.Error(w, err.Error(), http.StatusNotFound) // no status any more once there were lines
	}
}

// flusher sends every write on at once.
type flusher struct {
	w    http.ResponseWriter
	ctrl *http.ResponseController
}

func (f flusher) Write(p []byte) (int, error) {
	n, err := f.w.Write(p)
	if err == nil {
		err = f.ctrl.Flush()
	}
	return n, err
}
