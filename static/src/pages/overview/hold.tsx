// The command that holds the cluster, and the notice of a hold: its reason, the work that a release starts, the
// release.

import { OctagonPause } from 'lucide-react'
import { HoldClusterDocument, type OverviewPartsFragment, ReleaseClusterDocument } from '@/api/generated'
import { useCommand } from '@/commands/command'
import { Button } from '@/components/button'
import { useConfirm } from '@/components/confirm'
import { Name } from '@/components/name'
import { Time } from '@/components/time'
import { counted } from '@/format/number'

type Hold = NonNullable<OverviewPartsFragment['cluster']['hold']>

/** The notice of a hold. */
export function HoldNotice({ hold }: { hold: Hold }) {
  const ask = useConfirm()
  const release = useCommand(ReleaseClusterDocument, () => 'The cluster is released.')
  const due = `${counted(hold.triggersDue, 'trigger')} due by now`
  return (
    <section
      aria-label="The cluster is held"
      className="flex flex-wrap items-center gap-3 rounded-lg border border-bad/30 bg-bad/8 px-4 py-3"
    >
      <OctagonPause size={22} aria-hidden className="shrink-0 text-bad" />
      <div className="min-w-0 flex-1 text-sm">
        <p className="font-semibold text-bad text-lg">The cluster is held: nothing starts</p>
        <p>
          Since <Time at={hold.since} />: <Name text={hold.reason} />.
        </p>
        {hold.setBackTo && hold.lastKnown && (
          <p>
            What fired between <Time at={hold.setBackTo} /> and <Time at={hold.lastKnown} /> would fire again, under the
            same execution ids. Pause the jobs that must not repeat first.
          </p>
        )}
        <p className="text-muted">
          {due}; {counted(hold.attemptsLost, 'attempt')} lost with{' '}
          {hold.attemptsLost === 1 ? 'its node' : 'their nodes'}.
        </p>
      </div>
      <Button
        kind="danger"
        busy={release.isPending}
        onClick={async () => {
          const sure = await ask({
            title: 'Release the cluster?',
            text: `Due executions start, by the misfire policy of each job: ${due}.`,
            action: 'Release',
            danger: true,
          })
          if (sure !== null) release.mutate({})
        }}
      >
        Release
      </Button>
    </section>
  )
}

/** Holds the cluster, after a question. */
export function HoldButton() {
  const ask = useConfirm()
  const hold = useCommand(HoldClusterDocument, () => 'The cluster is held.')
  return (
    <Button
      icon={OctagonPause}
      busy={hold.isPending}
      onClick={async () => {
        const reason = await ask({
          title: 'Hold the cluster?',
          text: 'Nothing starts on any node until the cluster is released. Running executions continue.',
          action: 'Hold cluster',
          danger: true,
          input: { label: 'Reason', placeholder: 'Shown on every page (optional)' },
        })
        if (reason !== null) hold.mutate({ reason: reason.trim() || null })
      }}
    >
      Hold cluster…
    </Button>
  )
}
