// What is to come: planned fire times as a heat map, and the minutes that are crowded.

import { clsx } from 'clsx'
import { CalendarClock } from 'lucide-react'
import { useState } from 'react'
import { UpcomingDocument, type UpcomingQuery } from '@/api/generated'
import { useApi } from '@/api/queries'
import { Button } from '@/components/button'
import { Page, Panel } from '@/components/panel'
import { Empty, Shown } from '@/components/states'
import { Time } from '@/components/time'
import { count } from '@/text/number'
import { clockTime, dayAndTime, viewerZone } from '@/text/time'
import { type Row, rowsOf } from './heat'

/** The plan changes with the clock and with edits; a minute old is fresh enough. */
const REFRESH = 30_000

const SPANS = {
  day: {
    label: '24 hours',
    hours: 24,
    stepMinutes: 10,
    row: 'hour',
    heads: [0, 10, 20, 30, 40, 50].map((m) => `:${m || '00'}`),
  },
  week: { label: '7 days', hours: 168, stepMinutes: 60, row: 'day', heads: [...Array(24).keys()].map(String) },
} as const

type Span = keyof typeof SPANS

const HEAT = ['bg-hover', 'bg-accent/15', 'bg-accent/30', 'bg-accent/50', 'bg-accent/70', 'bg-accent']

export default function UpcomingPage() {
  const [span, setSpan] = useState<Span>('day')
  const { hours, stepMinutes } = SPANS[span]
  const result = useApi(UpcomingDocument, { hours, stepMinutes }, { refetchInterval: REFRESH })
  return (
    <Page
      title="Upcoming"
      note="Planned fire times of the active jobs. A fixed delay is not planned: its next run follows the end of the last."
      actions={(Object.keys(SPANS) as Span[]).map((name) => (
        <Button
          key={name}
          aria-pressed={name === span}
          kind={name === span ? 'primary' : 'plain'}
          onClick={() => setSpan(name)}
        >
          {SPANS[name].label}
        </Button>
      ))}
    >
      <Shown of={result} what="what is to come" lines={10}>
        {({ upcoming }) => <Plan upcoming={upcoming} span={span} />}
      </Shown>
    </Page>
  )
}

type Upcoming = UpcomingQuery['upcoming']

function Plan({ upcoming, span }: { upcoming: Upcoming; span: Span }) {
  const total = upcoming.buckets.reduce((sum, fires) => sum + fires, 0)
  if (total === 0) {
    return (
      <Empty icon={CalendarClock} title="Nothing is planned">
        No active job with a schedule fires within {SPANS[span].label}.
      </Empty>
    )
  }
  const rows = rowsOf(upcoming.from, upcoming.stepSeconds, upcoming.buckets, SPANS[span].row, viewerZone)
  return (
    <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,1fr)_22rem]">
      <Panel
        title="Fire times"
        aside={`${count(total)} fire times of ${upcoming.jobs === 1 ? 'one job' : `${count(upcoming.jobs)} jobs`}${upcoming.complete ? '' : ', not all: too many to plan'}`}
      >
        <HeatMap rows={rows} span={span} />
      </Panel>
      <Panel title="Crowded minutes" flush>
        {upcoming.crowded.length === 0 ? (
          <p className="p-4 text-muted text-sm">No minute has more than one fire time.</p>
        ) : (
          <ol className="divide-y">
            {upcoming.crowded.map((minute) => (
              <li key={minute.at} className="flex flex-col gap-0.5 px-4 py-2.5 text-sm">
                <span className="flex justify-between gap-3">
                  <span className="font-medium">
                    <Time at={minute.at} as="short" />
                  </span>
                  <span className="text-muted tabular-nums">{count(minute.fires)} fires</span>
                </span>
                <span className="truncate text-muted text-xs">
                  <bdi>{minute.jobs.join(', ')}</bdi>
                </span>
              </li>
            ))}
          </ol>
        )}
      </Panel>
    </div>
  )
}

/** A table of cells: each says its time and number to who rests on it, and to a screen reader. */
function HeatMap({ rows, span }: { rows: Row[]; span: Span }) {
  const label = span === 'day' ? hourLabel : dayLabel
  return (
    <table className="w-full border-separate border-spacing-0.5 text-xs">
      <caption className="sr-only">Fire times, a row for each {SPANS[span].row}</caption>
      <thead>
        <tr className="text-faint tabular-nums">
          <td />
          {SPANS[span].heads.map((head, column) => (
            <th
              key={head}
              scope="col"
              className={clsx('text-left font-normal', column % 3 && span === 'week' && 'max-sm:sr-only')}
            >
              {head}
            </th>
          ))}
        </tr>
      </thead>
      <tbody>
        {rows.map((row) => (
          <tr key={row.at}>
            <th scope="row" className="w-24 pr-3 text-right font-normal text-muted tabular-nums whitespace-nowrap">
              {label(row.at)}
            </th>
            {row.cells.map((cell, column) => (
              <td
                // biome-ignore lint/suspicious/noArrayIndexKey: a cell is its place
                key={column}
                title={cell ? `${dayAndTime(cell.at, viewerZone)}: ${count(cell.fires)}` : undefined}
                className={clsx('h-5 rounded-sm', cell && HEAT[cell.heat])}
              >
                {cell && <span className="sr-only">{`${clockTime(cell.at, viewerZone)}: ${cell.fires}`}</span>}
              </td>
            ))}
          </tr>
        ))}
      </tbody>
    </table>
  )
}

// "24 Nov, 10:20" stands for the hour that it lies in.
const hourLabel = (at: string) => dayAndTime(at, viewerZone).replace(/\d\d$/, '00')
const dayLabel = (at: string) => dayAndTime(at, viewerZone).replace(/, .*/, '')
