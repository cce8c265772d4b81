package obs

import (
	"net/http"
	"runtime"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics count what happens. They live in a registry of their own. The methods never block for long and are
// safe for concurrent use.
type Metrics struct {
	registry *prometheus.Registry
	gauges   gauges

	webhooks   *prometheus.CounterVec
	answered   *prometheus.HistogramVec
	events     *prometheus.CounterVec
	deliveries *prometheus.CounterVec
	queued     *prometheus.HistogramVec
	delivered  *prometheus.HistogramVec
	calls      *prometheus.CounterVec
	called     *prometheus.HistogramVec
	runs       *prometheus.CounterVec
}

// NewMetrics returns metrics that count from zero.
func NewMetrics() *Metrics {
	m := &Metrics{
		registry:   prometheus.NewRegistry(),
		webhooks:   counter("webhooks_total", "Webhook requests by source and outcome.", "source", "outcome"),
		answered:   histogram("webhook_duration_seconds", "From a webhook's arrival until it is answered.", []float64{.001, .0025, .005, .01, .015, .025, .05, .1, .25, .5, 1, 5, 15}, "source"),
		events:     counter("events_total", "Events in webhooks, by what became of them.", "source", "receipt"),
		deliveries: counter("deliveries_total", "Deliveries of a person to a target, by outcome and lane.", "target", "outcome", "lane"),
		queued:     histogram("delivery_queued_seconds", "From the first undelivered event until its delivery ended.", []float64{1, 2, 5, 10, 30, 60, 300, 900, 3600, 4 * 3600, 12 * 3600, 24 * 3600}, "target", "lane"),
		delivered:  histogram("delivery_duration_seconds", "How long a delivery took.", []float64{.01, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}, "target"),
		calls:      counter("calls_total", "HTTP calls to sources and targets; status none is a call without an answer.", "place", "method", "status"),
		called:     histogram("call_duration_seconds", "How long a call took.", []float64{.025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}, "place"),
		runs:       counter("runs_total", "Runs that ended or stopped to wait, by state; failed are also those that broke off and go on with the next.", "source", "kind", "state"),
	}
	m.gauges.describe()
	build := prometheus.NewGauge(prometheus.GaugeOpts{Name: prefix + "build_info", Help: "1; the labels say which build runs.",
		ConstLabels: prometheus.Labels{"version": Version(), "go": runtime.Version()}})
	build.Set(1)
	m.registry.MustRegister(m.webhooks, m.answered, m.events, m.deliveries, m.queued, m.delivered, m.calls, m.called, m.runs,
		&m.gauges, build,
		prometheus.NewGaugeFunc(prometheus.GaugeOpts{Name: prefix + "goroutines", Help: "Goroutines that exist."}, func() float64 { return float64(runtime.NumGoroutine()) }),
		collectors.NewProcessCollector(collectors.ProcessCollectorOpts{Namespace: "syncer"}))
	return m
}

const prefix = "syncer_"

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets}, labels)
}

// Webhook counts a request at the door; source is empty when its address names none.
func (m *Metrics) Webhook(source, outcome string, d time.Duration) {
	m.webhooks.WithLabelValues(name(source), oneOf(webhookOutcomes, outcome)).Inc()
	m.answered.WithLabelValues(name(source)).Observe(d.Seconds())
}

// Event counts an event of a webhook.
func (m *Metrics) Event(source, receipt string) {
	m.events.WithLabelValues(name(source), oneOf(receipts, receipt)).Inc()
}

// Delivered counts a delivery: how long its person had waited, and how long it took.
func (m *Metrics) Delivered(target, outcome, lane string, queued, took time.Duration) {
	target, lane = name(target), oneOf(lanes, lane)
	m.deliveries.WithLabelValues(target, oneOf(deliveryOutcomes, outcome), lane).Inc()
	m.queued.WithLabelValues(target, lane).Observe(max(0, queued).Seconds())
	m.delivered.WithLabelValues(target).Observe(took.Seconds())
}

// Called counts a call to a place: target/name or source/name. A call without an answer has status 0.
func (m *Metrics) Called(place, method string, status int, took time.Duration) {
	m.calls.WithLabelValues(name(place), oneOf(methods, method), statusLabel(status)).Inc()
	m.called.WithLabelValues(name(place)).Observe(took.Seconds())
}

// Run counts a run that ended or waits; source is empty for a run over all of them.
func (m *Metrics) Run(source, kind, state string) {
	m.runs.WithLabelValues(name(source), oneOf(runKinds, kind), oneOf(runStates, state)).Inc()
}

// Set replaces all gauges at once. What it no longer names is gone. Counters of what it names begin to exist
// at zero: an alert on an increase would miss the first one otherwise.
func (m *Metrics) Set(g Gauges) {
	for _, t := range g.Targets {
		for _, outcome := range deliveryOutcomes {
			for _, lane := range lanes {
				m.deliveries.WithLabelValues(name(t.Target), outcome, lane)
			}
		}
	}
	for _, s := range g.Sources {
		for _, outcome := range webhookOutcomes {
			m.webhooks.WithLabelValues(name(s.Source), outcome)
		}
		for _, state := range []string{"done", "failed", "held"} {
			m.runs.WithLabelValues(name(s.Source), "changes", state)
			m.runs.WithLabelValues(name(s.Source), "full", state)
		}
	}
	m.gauges.now.Store(&g)
}

// Handler serves the metrics.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{ErrorHandling: promhttp.ContinueOnError})
}
