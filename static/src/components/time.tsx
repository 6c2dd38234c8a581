import { exactTime, relativeTime, shortTime, viewerZone } from '@/format/time'
import { useNow } from '@/lib/clock'
import { Tooltip } from './tooltip'

interface TimeProps {
  at: string
  /** The job's zone, shown in addition to the viewer's zone. */
  zone?: string
  /** The form of the time; the exact times are in the hint. */
  as?: 'relative' | 'exact' | 'short'
}

/** An instant. The hint has the exact time in the viewer's zone, the job's zone and UTC. */
export function Time({ at, zone, as = 'relative' }: TimeProps) {
  return (
    <Tooltip content={<Zones at={at} zone={zone} />}>
      <time dateTime={at} className={as === 'exact' ? undefined : 'whitespace-nowrap'}>
        <TimeText at={at} as={as} zone={zone} />
      </time>
    </Tooltip>
  )
}

function TimeText({ at, as, zone }: Required<Pick<TimeProps, 'as'>> & TimeProps) {
  if (as === 'exact') return exactTime(at, zone ?? viewerZone)
  return as === 'short' ? <Short at={at} zone={zone} /> : <Relative at={at} />
}

function Relative({ at }: { at: string }) {
  return relativeTime(at, useNow())
}

function Short({ at, zone }: { at: string; zone?: string }) {
  return shortTime(at, zone ?? viewerZone, useNow())
}

/** The instant in each relevant zone, by name. */
export function Zones({ at, zone }: { at: string; zone?: string }) {
  const zones = new Map([[viewerZone, 'your zone']])
  if (zone) zones.set(zone, zone === viewerZone ? "your zone, the job's" : "the job's zone")
  if (!zones.has('UTC')) zones.set('UTC', '')
  return (
    <dl className="grid grid-cols-[auto_auto] gap-x-3 gap-y-0.5">
      {[...zones].map(([name, whose]) => (
        <div key={name} className="contents">
          <dt className="text-muted">
            {name}
            {whose && ` (${whose})`}
          </dt>
          <dd>{exactTime(at, name)}</dd>
        </div>
      ))}
    </dl>
  )
}
