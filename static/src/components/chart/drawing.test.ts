import { expect, test } from 'vitest'
import { stacked } from './drawing'
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
