// uPlot in a component: sized by its box, coloured by the theme, redrawn when the data change.

import 'uplot/dist/uPlot.min.css'
import { useEffect, useEffectEvent, useMemo, useRef, useState } from 'react'
import uPlot from 'uplot'
import { clockTime, dayAndTime, viewerZone } from '@/format/time'
import { onColoursChange } from '@/lib/theme'
import { colourOf, endsOf, pathsOf, stacked } from './drawing'

export interface ChartSeries {
  label: string
  /** A CSS colour, usually `var(--color-good)`. */
  colour: string
  shape: 'line' | 'bars' | 'dots'
  values: (number | null)[]
}

export interface PlotProps {
  /** Description of the chart, read out instead of the drawing. */
  label: string
  /** Instants in milliseconds, ascending; one for each value. */
  at: number[]
  series: ChartSeries[]
  /** A value as text, such as "12 ms". */
  format: (value: number) => string
  height: number
  /** Bars are stacked, the last series lowest; lines are not. */
  stack?: boolean
  /** Ends of the time axis in milliseconds; default: those of the data, at least a minute apart. */
  range?: { from: number; to: number }
  /** Starts at zero unless the scale is logarithmic. */
  logarithmic?: boolean
}

/** The chart itself; use `Chart`. */
export default function Plot({ label, at, series, format, height, stack, range, logarithmic }: PlotProps) {
  const box = useRef<HTMLDivElement>(null)
  const plot = useRef<uPlot | null>(null)
  const [under, setUnder] = useState<number | null>(null)
  const formatValue = useEffectEvent(format)

  const data = useMemo(() => {
    const values = stack ? stacked(series) : series.map((one) => one.values)
    return [at.map((millis) => millis / 1_000), ...values] as uPlot.AlignedData
  }, [at, series, stack])
  const shapes = series.map((one) => `${one.label}|${one.colour}|${one.shape}`).join('\n')

  // Not the defaults of uPlot, for which a single point extends over years.
  const ends = useEffectEvent((): uPlot.Range.MinMax => {
    if (range) return [range.from / 1_000, range.to / 1_000]
    const [first, last] = [at[0], at.at(-1)]
    return first === undefined || last === undefined ? [null, null] : endsOf(first / 1_000, last / 1_000)
  })

  // A change of the style creates the drawing again; a change of the data does not.
  const latest = useEffectEvent(() => data)
  useEffect(() => {
    const element = box.current
    if (!element) return
    const make = () => {
      plot.current?.destroy()
      const ink = colourOf(element, 'var(--color-faint)')
      const line = colourOf(element, 'var(--color-line)')
      const axis = { stroke: ink, grid: { stroke: line, width: 1 }, ticks: { show: false }, font: FONT }
      const options: uPlot.Options = {
        width: element.clientWidth,
        height,
        padding: [8, 26, 0, 0],
        legend: { show: false },
        cursor: { y: false, points: { size: 6 }, drag: { x: false, y: false } },
        scales: {
          x: { range: () => ends() },
          y: logarithmic ? { distr: 3 } : { range: fromZero },
        },
        axes: [
          {
            ...axis,
            size: 30,
            gap: 8,
            values: (_plot, splits, _axis, _space, step) => splits.map((second) => tickLabel(second, step)),
          },
          {
            ...axis,
            size: widest,
            values: (_plot, splits) => splits.map((value) => (value === null ? '' : formatValue(value))),
          },
        ],
        series: [
          {},
          ...shapes.split('\n').map((shape) => {
            const [name = '', colour = '', kind = 'line'] = shape.split('|')
            return pathsOf(name, colourOf(element, colour), kind as ChartSeries['shape'])
          }),
        ],
        hooks: { setCursor: [({ cursor }) => setUnder(cursor.idx ?? null)] },
      }
      plot.current = new uPlot(options, latest(), element)
    }
    make()
    const colours = onColoursChange(make)
    const size = new ResizeObserver(() => plot.current?.setSize({ width: element.clientWidth, height }))
    size.observe(element)
    return () => {
      colours()
      size.disconnect()
      plot.current?.destroy()
      plot.current = null
    }
  }, [shapes, height, logarithmic])

  useEffect(() => {
    plot.current?.setData(data)
  }, [data])

  const shown = under !== null && at[under] !== undefined ? under : null
  return (
    <figure aria-label={label}>
      <Legend
        series={stack ? series.toReversed() : series}
        index={shown}
        at={shown === null ? undefined : at[shown]}
        format={format}
      />
      <div ref={box} className="w-full" style={{ height }} aria-hidden />
    </figure>
  )
}

const FONT = '11px Inter, sans-serif'

/** Space for the longest label of the axis, at about 6.5 pixels a letter. */
function widest(_plot: uPlot, labels: string[] | null): number {
  return 14 + 6.5 * Math.max(2, ...(labels ?? []).map((label) => label.length))
}

const fromZero: uPlot.Range.Function = (_plot, _min, max) => [0, max > 0 ? max * 1.1 : 1]

/** As precise as the distance of the ticks (seconds) requires. */
function tickLabel(second: number, step: number): string {
  const instant = new Date(second * 1_000).toISOString()
  if (step >= DAY_SECONDS) return dayAndTime(instant, viewerZone).replace(/, .*/, '')
  const time = clockTime(instant, viewerZone)
  return step < 60 ? time : time.slice(0, 5)
}

const DAY_SECONDS = 86_400

interface LegendProps {
  series: ChartSeries[]
  index: number | null
  at: number | undefined
  format: (value: number) => string
}

/** Names, and the values under the pointer. */
function Legend({ series, index, at, format }: LegendProps) {
  return (
    <figcaption className="flex h-6 items-start gap-4 overflow-hidden text-muted text-xs">
      {series.map((one) => {
        const value = index === null ? null : one.values[index]
        return (
          <span key={one.label} className="flex items-center gap-1.5 whitespace-nowrap">
            <span className="painted size-2 rounded-xs" style={{ background: one.colour }} aria-hidden />
            {one.label}
            {value !== null && value !== undefined && <span className="text-ink">{format(value)}</span>}
          </span>
        )
      })}
      {at !== undefined && <span className="ml-auto">{clockTime(new Date(at).toISOString(), viewerZone)}</span>}
    </figcaption>
  )
}
