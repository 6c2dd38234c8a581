// The command that pauses the cluster, and the notice of a pause: its reason, the work that a release starts, the
// release.

import { OctagonPause } from 'lucide-react'
import { type OverviewPartsFragment, PauseClusterDocument, ResumeClusterDocument } from '@/api/generated'
import { useCommand } from '@/commands/command'
import { CommandButton } from '@/commands/offered'
import { useConfirm } from '@/components/confirm'
import { Name } from '@/components/name'
import { Time } from '@/components/time'
import { counted } from '@/format/number'

type ClusterPause = NonNullable<OverviewPartsFragment['cluster']['pause']>

/** The notice of a pause. */
export function ClusterPauseNotice({ pause }: { pause: ClusterPause }) {
  const ask = useConfirm()
  const resume = useCommand(ResumeClusterDocument, () => 'The cluster is resumed.')
  const due = `${counted(pause.triggersDue, 'trigger')} due by now`
  return (
    <section
      aria-label="The cluster is paused"
      className="flex flex-wrap items-center gap-3 rounded-lg border border-bad/30 bg-bad/8 px-4 py-3"
    >
      <OctagonPause size={22} aria-hidden className="shrink-0 text-bad" />
      <div className="min-w-0 flex-1 text-sm">
        <p className="font-semibold text-bad text-lg">The cluster is paused: nothing starts</p>
        <p>
          Since <Time at={pause.since} />: <Name text={pause.reason} />.
        </p>
        {pause.setBackTo && pause.lastKnown && (
          <p>
            What fired between <Time at={pause.setBackTo} /> and <Time at={pause.lastKnown} /> would fire again, under
            the same execution ids. Pause the jobs that must not repeat first.
          </p>
        )}
        <p className="text-muted">
          {due}; {counted(pause.attemptsLost, 'attempt')} lost with{' '}
          {pause.attemptsLost === 1 ? 'its node' : 'their nodes'}.
        </p>
      </div>
      <CommandButton
        command="resumeCluster"
        kind="danger"
        busy={resume.isPending}
        onClick={async () => {
          const sure = await ask({
            title: 'Resume the cluster?',
            text: `Due executions start, by the misfire policy of each job: ${due}.`,
            action: 'Resume',
            danger: true,
          })
          if (sure !== null) resume.mutate({})
        }}
      >
        Resume
      </CommandButton>
    </section>
  )
}

/** Pauses the cluster, after a question. */
export function PauseClusterButton() {
  const ask = useConfirm()
  const pause = useCommand(PauseClusterDocument, () => 'The cluster is paused.')
  return (
    <CommandButton
      command="pauseCluster"
      icon={OctagonPause}
      busy={pause.isPending}
      onClick={async () => {
        const reason = await ask({
          title: 'Pause the cluster?',
          text: 'Nothing starts on any node until the cluster is resumed. Running executions continue.',
          action: 'Pause cluster',
          danger: true,
          input: { label: 'Reason', placeholder: 'Shown on every page (optional)' },
        })
        if (reason !== null) pause.mutate({ reason: reason.trim() || null })
      }}
    >
      Pause cluster…
    </CommandButton>
  )
}
