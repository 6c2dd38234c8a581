// How series are drawn, and how their values are prepared.

import uPlot from 'uplot'
import type { ChartSeries } from './plot'

/** The values with those of the bars added up, from the last series to the first: the first is the highest and drawn first. */
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

/** A series as uPlot draws it. */
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

/** Least length of the time axis, in seconds: labels of its ticks differ then. */
const AXIS_MIN = 60

/** The ends of the time axis, in seconds: those of the data, apart enough. One point stands in the middle. */
export function endsOf(min: number, max: number): [number, number] {
  const missing = Math.max(0, AXIS_MIN - (max - min))
  return [min - missing / 2, max + missing / 2]
}

/** A CSS colour as the canvas knows it: `light-dark()` and variables resolved where the element stands. */
export function colourOf(element: HTMLElement, colour: string): string {
  const before = element.style.color
  element.style.color = colour
  const resolved = getComputedStyle(element).color
  element.style.color = before
  return resolved
}
