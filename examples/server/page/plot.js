import { byId, draw } from './dom.js'

/**
 * A request in the plot.
 *
 * @typedef {object} Point
 * @property {'hit' | 'load' | 'refused'} kind
 * @property {number} ms
 * @property {boolean} afterEdit whether the document was edited since the request before
 */

const SHOWN = 40
const STEP = 10
const HEIGHT = 120
/** A scale for less would show the noise of a fast server as large bars. */
const MIN_SCALE_MS = 10
const NONE = 'No requests yet.'

const plot = byId('plot', SVGSVGElement)
const scale = byId('plot-scale', HTMLElement)

/** @type {Point[]} */
let points = []

/** @param {Point} point */
export function addToPlot(point) {
  points = [...points, point].slice(-SHOWN)
  drawPlot()
}

export function clearPlot() {
  points = []
  drawPlot()
}

function drawPlot() {
  const most = Math.max(MIN_SCALE_MS, ...points.map(({ ms }) => ms))
  const shapes = points.flatMap((point, index) => drawPoint(point, index * STEP, most))
  const title = draw('title', {})
  title.textContent = describePlot()
  plot.replaceChildren(title, ...shapes)
  scale.textContent =
    points.length === 0 ? NONE : `Latency of the last ${SHOWN} requests, up to ${Math.ceil(most)} ms`
}

/**
 * @param {Point} point
 * @param {number} x
 * @param {number} most
 */
function drawPoint({ kind, ms, afterEdit }, x, most) {
  const height = Math.max(3, (ms / most) * (HEIGHT - 16))
  const y = HEIGHT - height
  return [
    ...(afterEdit ? [draw('line', { class: 'edit', x1: x, x2: x, y1: 0, y2: HEIGHT })] : []),
    draw('rect', { class: kind, x: x + 1.5, y, width: STEP - 3, height, rx: 2 }),
    // The dot makes a load different from a hit without its colour.
    ...(kind === 'hit' ? [] : [draw('circle', { class: kind, cx: x + STEP / 2, cy: y - 6, r: 2.5 })]),
  ]
}

function describePlot() {
  if (points.length === 0) return NONE
  const count = (/** @type {Point['kind']} */ kind) => points.filter(point => point.kind === kind).length
  const sorted = points.map(({ ms }) => ms).sort((a, b) => a - b)
  const median = sorted[Math.floor(sorted.length / 2)] ?? 0
  return (
    `The last ${points.length} requests: ${count('hit')} from the cache, ${count('load')} read from MongoDB, ` +
    `${count('refused')} refused. The median took ${median.toFixed(1)} ms.`
  )
}
