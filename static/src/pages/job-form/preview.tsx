// The meaning of the schedule, from the server, while the user types.

import { keepPreviousData, useQuery } from '@tanstack/react-query'
import { TriangleAlert } from 'lucide-react'
import { useEffect, useState } from 'react'
import { ApiError, send } from '@/api/client'
import { type CreateJobInput, type FormJobFragment, PreviewScheduleDocument } from '@/api/generated'
import { Panel } from '@/components/panel'
import { Loading } from '@/components/states'
import { Time } from '@/components/time'
import { dayAndTime, sameClock, viewerZone } from '@/format/time'
import { changesOf, type FireTimeChanges } from './changes'
import { type FormValues, scheduleOf, valuesOf } from './values'

/** Number of fire times that are compared before an edit is saved. */
export const COMPARED = 50
const SHOWN = 10
/** Pause after the last key before the request, in milliseconds. */
const TYPING_PAUSE = 250

/** Fire times pass: time between two reads, in milliseconds. */
const REFRESH = 10_000

interface PreviewProps {
  values: FormValues
  /** The job that is edited, as it was read. */
  edited?: FormJobFragment | undefined
}

/** Description, next fire times, warnings, and the effect of an edit. */
export function Preview({ values, edited }: PreviewProps) {
  const input = useRested(JSON.stringify(scheduleOf(values)))
  const jobId = edited?.id ?? null
  const result = useQuery({
    queryKey: ['PreviewSchedule', input, jobId, edited?.version],
    queryFn: async ({ signal }) => {
      const ask = (schedule: CreateJobInput) =>
        send(PreviewScheduleDocument, { input: schedule, count: COMPARED, jobId }, { signal })
      // Both at the same moment: an older list has fire times that have passed. A schedule without a preview, such as
      // an instant in the past, is not compared.
      const [{ previewSchedule }, before] = await Promise.all([
        ask(JSON.parse(input)),
        edited ? ask(scheduleOf(valuesOf(edited))).catch(() => null) : null,
      ])
      return {
        ...previewSchedule,
        changes: before && changesOf(before.previewSchedule.fireTimes, previewSchedule.fireTimes, COMPARED, Date.now()),
      }
    },
    placeholderData: keepPreviousData,
    refetchInterval: REFRESH,
  })
  const preview = result.data
  const zone = values.scheduleType === 'CRON' ? preview?.zone : undefined
  return (
    <Panel title="Next fire times" aside={zone}>
      {result.error instanceof ApiError ? (
        <p role="alert" className="text-bad text-sm [overflow-wrap:anywhere]">
          {result.error.message}
        </p>
      ) : preview ? (
        <div className="flex flex-col gap-3 text-sm" aria-live="polite">
          <p className="font-medium first-letter:uppercase">{preview.description}</p>
          {preview.warnings.map((warning) => (
            <p key={warning} className="flex gap-2 text-warn text-xs">
              <TriangleAlert size={14} aria-hidden className="mt-0.5 shrink-0" />
              <span className="whitespace-pre-line">{warning}</span>
            </p>
          ))}
          <ol className="flex flex-col gap-1.5" aria-label="Next fire times">
            {preview.fireTimes.slice(0, SHOWN).map((at) => (
              <li key={at} className="flex justify-between gap-3 tabular-nums">
                <span className="flex min-w-0 flex-col">
                  <Time at={at} as="exact" zone={zone} />
                  {zone && !sameClock(at, zone) && (
                    <span className="text-muted text-xs">{dayAndTime(at, viewerZone)} in your zone</span>
                  )}
                </span>
                <span className="text-muted">
                  <Time at={at} />
                </span>
              </li>
            ))}
          </ol>
          {preview.fireTimes.length === 0 && <p className="text-muted">None that is known before it has run.</p>}
          {preview.changes && <FireTimeDiff {...preview.changes} />}
        </div>
      ) : (
        <Loading lines={6} />
      )}
    </Panel>
  )
}

function FireTimeDiff({ appear, disappear, open }: FireTimeChanges) {
  if (appear.length + disappear.length === 0) {
    return <p className="border-t pt-3 text-muted text-xs">Saving changes none of the next fire times.</p>
  }
  return (
    <div className="flex flex-col gap-2 border-t pt-3 text-xs">
      <p className="font-medium">Saving changes fire times</p>
      <FireTimeList sign="−" tone="text-bad" times={disappear} />
      <FireTimeList sign="+" tone="text-good" times={appear} />
      {open && <p className="text-muted">Of the next {COMPARED} fire times; later ones may change too.</p>}
    </div>
  )
}

function FireTimeList({ sign, tone, times }: { sign: string; tone: string; times: string[] }) {
  const shown = times.slice(0, 5)
  return (
    <ul className={`flex flex-col gap-1 tabular-nums ${tone}`}>
      {shown.map((at) => (
        <li key={at}>
          {sign} <Time at={at} as="exact" />
        </li>
      ))}
      {times.length > shown.length && <li>{`${sign} ${times.length - shown.length} more`}</li>}
    </ul>
  )
}

/** A text after a pause in its changes. */
function useRested(text: string): string {
  const [rested, setRested] = useState(text)
  useEffect(() => {
    const timer = setTimeout(() => setRested(text), TYPING_PAUSE)
    return () => clearTimeout(timer)
  }, [text])
  return rested
}
