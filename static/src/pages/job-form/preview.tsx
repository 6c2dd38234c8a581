// What the schedule means, from the server, while somebody types.

import { TriangleAlert } from 'lucide-react'
import { useEffect, useState } from 'react'
import { ApiError } from '@/api/client'
import { PreviewScheduleDocument } from '@/api/generated'
import { useApi } from '@/api/queries'
import { Panel } from '@/components/panel'
import { Loading } from '@/components/states'
import { Time } from '@/components/time'
import { changesOf } from './changes'
import { type FormValues, scheduleOf } from './values'

/** Fire times that are compared before an edit is saved. */
export const COMPARED = 50
const SHOWN = 10
/** Rest after the last key before the server is asked, in milliseconds. */
const TYPING_PAUSE = 250

interface PreviewProps {
  values: FormValues
  /** The job that is edited, with its fire times as they are. */
  edited?: { id: string; nextFireTimes: string[] } | undefined
}

/** Words, the next fire times, warnings, and what an edit changes. */
export function Preview({ values, edited }: PreviewProps) {
  const input = useRested(JSON.stringify(scheduleOf(values)))
  const result = useApi(
    PreviewScheduleDocument,
    { input: JSON.parse(input), count: COMPARED, jobId: edited?.id ?? null },
    { placeholderData: (before: unknown) => before as never, staleTime: 5_000 },
  )
  const preview = result.data?.previewSchedule
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
                <Time at={at} as="exact" zone={zone} />
                <span className="text-muted">
                  <Time at={at} />
                </span>
              </li>
            ))}
          </ol>
          {preview.fireTimes.length === 0 && <p className="text-muted">None that is known before it has run.</p>}
          {edited && <Changes before={edited.nextFireTimes} after={preview.fireTimes} />}
        </div>
      ) : (
        <Loading lines={6} />
      )}
    </Panel>
  )
}

function Changes({ before, after }: { before: string[]; after: string[] }) {
  if (before.length === 0) return null
  const { appear, disappear } = changesOf(before, after, COMPARED)
  if (appear.length + disappear.length === 0) {
    return <p className="border-t pt-3 text-muted text-xs">Saving changes none of the next fire times.</p>
  }
  return (
    <div className="flex flex-col gap-2 border-t pt-3 text-xs">
      <p className="font-medium">Saving changes fire times</p>
      <Times sign="−" tone="text-bad" times={disappear} />
      <Times sign="+" tone="text-good" times={appear} />
    </div>
  )
}

function Times({ sign, tone, times }: { sign: string; tone: string; times: string[] }) {
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

/** A text once it has rested. */
function useRested(text: string): string {
  const [rested, setRested] = useState(text)
  useEffect(() => {
    const timer = setTimeout(() => setRested(text), TYPING_PAUSE)
    return () => clearTimeout(timer)
  }, [text])
  return rested
}
