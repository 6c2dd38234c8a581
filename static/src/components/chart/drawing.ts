// The drawing of series, and the preparation of their values.

import uPlot from 'uplot'
import type { ChartSeries } from './plot'

/**
 * The values with those of the bars summed up, from the last series to the first: the first is the highest and is drawn
 * first.
 */
export function stacked(series: ChartSeries[]): (number | null)[][] {
  const sums: number[] = []
  return series
    .toReversed()
    .map(({ shape, values }) => {
      if (shape !== 'bars') return values
      return values.map((value, index) => {
        const sum = (sums[index] ?? 0) + (value ?? 0)
        sums[index] = sum
        return sum
      })
    })
    .toReversed()
}

/** A series in the form of uPlot. */
export function pathsOf(label: string, colour: string, shape: ChartSeries['shape']): uPlot.Series {
  switch (shape) {
    case 'bars':
      return {
        label,
        stroke: colour,
        fill: colour,
        width: 0,
        points: { show: false },
        paths: uPlot.paths.bars?.({ size: [0.8, 24], align: 1 }),
      }
    case 'dots':
      return { label, stroke: colour, paths: () => null, points: { show: true, size: 5, width: 0, fill: colour } }
    case 'line':
      return { label, stroke: colour, width: 1.5, points: { show: false }, spanGaps: true }
  }
}

/** Minimum length of the time axis, in seconds: the labels of its ticks differ then. */
const AXIS_MIN = 60

/**
 * The ends of the time axis, in seconds: those of the data, at the minimum distance. A single point is in the middle.
 */
export function endsOf(min: number, max: number): [number, number] {
  const missing = Math.max(0, AXIS_MIN - (max - min))
  return [min - missing / 2, max + missing / 2]
}

/** A CSS colour for the canvas: `light-dark()` and variables are resolved at the element. */
export function colourOf(element: HTMLElement, colour: string): string {
  const before = element.style.color
  element.style.color = colour
  const resolved = getComputedStyle(element).color
  element.style.color = before
  return resolved
}
