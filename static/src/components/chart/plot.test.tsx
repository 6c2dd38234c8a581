import { render } from '@testing-library/react'
import { expect, test, vi } from 'vitest'
import Plot from './plot'

interface Made {
  scales: { x: { range: (plot: unknown, min: number, max: number) => [number, number] } }
}
const made = vi.hoisted((): Made[] => [])

vi.mock('uplot', () => {
  class Drawing {
    static readonly paths = {}
    constructor(options: Made) {
      made.push(options)
    }
    setData() {}
    setSize() {}
    destroy() {}
  }
  return { default: Drawing }
})

test('a single point stands in the middle of a minute', () => {
  const at = [Date.parse('2026-11-23T07:15:00.000Z')]
  render(
    <Plot
      label="Duration"
      at={at}
      series={[{ label: 'Success', colour: 'red', shape: 'dots', values: [4] }]}
      format={String}
      height={100}
    />,
  )
  const second = Number(at[0]) / 1_000
  // What uPlot makes of one point: a thousand days.
  expect(made.at(-1)?.scales.x.range(null, second, second + 86_400_000)).toEqual([second - 30, second + 30])
})
