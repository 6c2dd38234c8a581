import { expect, test } from 'vitest'
import { endsOf, stacked } from './drawing'
import type { ChartSeries } from './plot'

const of = (shape: ChartSeries['shape'], values: (number | null)[]): ChartSeries => ({
  label: shape,
  colour: '',
  shape,
  values,
})

test('bars stand on those of the later series, lines stay where they are', () => {
  const series = [of('bars', [1, null]), of('line', [9, 9]), of('bars', [10, 20])]
  expect(stacked(series)).toEqual([
    [11, 20],
    [9, 9],
    [10, 20],
  ])
})

test('the time axis of one point, or of some within a second, is a minute long', () => {
  expect(endsOf(1_000, 1_000)).toEqual([970, 1_030])
  expect(endsOf(1_000, 1_001)).toEqual([970.5, 1_030.5])
  expect(endsOf(1_000, 2_000)).toEqual([1_000, 2_000])
})
