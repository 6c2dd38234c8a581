// "Why did it not run at 09:00?": the explanation of a time.

import { Link } from '@tanstack/react-router'
import { type FormEvent, useState } from 'react'
import { ExplainFireTimeDocument, type ExplainFireTimeQuery } from '@/api/generated'
import { useApi } from '@/api/queries'
import { Button } from '@/components/button'
import { Name } from '@/components/name'
import { Panel } from '@/components/panel'
import { QueryBoundary } from '@/components/states'
import { Time } from '@/components/time'
import { TimeField } from '@/components/time-field'
import { explanation as outcomeOf } from '@/format/execution'
import { fromLocalInput, timeFault } from '@/format/time'
import { headlineOf } from './explanation'

export function Explain({ jobId }: { jobId: string }) {
  const [typed, setTyped] = useState('')
  const [asked, setAsked] = useState<string | null>(null)
  const fault = timeFault(typed)
  const ask = (event: FormEvent) => {
    event.preventDefault()
    const instant = fromLocalInput(typed)
    if (instant) setAsked(instant)
  }
  return (
    <Panel title="Why at that time?">
      <form onSubmit={ask} className="flex items-end gap-2">
        <div className="min-w-0 flex-1">
          <TimeField
            label="Why did it run, or not run, at"
            value={typed}
            onChange={(value) => {
              setTyped(value)
              setAsked(null)
            }}
            error={fault}
          />
        </div>
        <Button type="submit" disabled={typed.trim() === '' || fault !== undefined}>
          Explain
        </Button>
      </form>
      {asked && <ExplanationQuery jobId={jobId} at={asked} onAsk={setAsked} />}
    </Panel>
  )
}

function ExplanationQuery({ jobId, at, onAsk }: { jobId: string; at: string; onAsk: (at: string) => void }) {
  const result = useApi(ExplainFireTimeDocument, { jobId, at })
  return (
    <section aria-label="Explanation" aria-live="polite" className="mt-3 text-sm">
      <QueryBoundary query={result} what="the explanation">
        {({ explainFireTime }) => <Explanation explained={explainFireTime} onAsk={onAsk} />}
      </QueryBoundary>
    </section>
  )
}

type Explained = ExplainFireTimeQuery['explainFireTime']

function Explanation({ explained, onAsk }: { explained: Explained; onAsk: (at: string) => void }) {
  const { execution, since, until, by, before, after, reason, message } = explained
  return (
    <div className="flex flex-col gap-1.5 [overflow-wrap:anywhere]">
      <p className="font-medium">{headlineOf(reason)}</p>
      {execution ? (
        <p>
          {outcomeOf(execution)} {execution.errorMessage && <Name text={execution.errorMessage.slice(0, 200)} />}{' '}
          <Link to="/executions/$executionId" params={{ executionId: execution.id }} className="text-accent underline">
            See the execution
          </Link>
        </p>
      ) : (
        <p className="text-muted">
          <Name text={message} />
        </p>
      )}
      {(since || until) && (
        <p className="text-muted text-xs">
          {since && (
            <>
              since <Time at={since} as="exact" />{' '}
            </>
          )}
          {until && (
            <>
              until <Time at={until} as="exact" />
            </>
          )}
          {by && ` by ${by}`}
        </p>
      )}
      {(before || after) && (
        <p className="text-xs">
          {before && <NearbyFireTime at={before} word="Before" onAsk={onAsk} />}{' '}
          {after && <NearbyFireTime at={after} word="After" onAsk={onAsk} />}
        </p>
      )}
    </div>
  )
}

/** A fire time near the requested time: the next question. */
function NearbyFireTime({ at, word, onAsk }: { at: string; word: string; onAsk: (at: string) => void }) {
  return (
    <span className="mr-3">
      {word}:{' '}
      <button type="button" onClick={() => onAsk(at)} className="text-accent underline">
        <Time at={at} as="exact" />
      </button>
    </span>
  )
}
