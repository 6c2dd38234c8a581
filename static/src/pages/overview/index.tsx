// The state of the cluster: the first line is the answer, the rest are the reasons.

import { useMemo } from 'react'
import { ActivityDocument, type Activity as ActivityPoint } from '@/api/generated'
import { useApi } from '@/api/queries'
import { useOverview } from '@/cluster/overview'
import { Page, Panel } from '@/components/panel'
import { QueryBoundary } from '@/components/states'
import { AttentionList } from './attention'
import { BlackoutNotices } from './blackouts'
import { FiresChart, LatenessChart } from './charts'
import { ClusterPauseNotice, PauseClusterButton } from './cluster-pause'
import { Headline } from './headline'
import { NextDue } from './next-due'
import { Tiles } from './tiles'

const MINUTES = 60
/** Time between two reads of the activity, in milliseconds. */
const ACTIVITY_INTERVAL = 5_000

export default function OverviewPage() {
  const overview = useOverview()
  const activity = useApi(ActivityDocument, { minutes: MINUTES }, { refetchInterval: ACTIVITY_INTERVAL })
  const points = useMemo<ActivityPoint[]>(() => activity.data?.activity ?? [], [activity.data])
  return (
    <Page title="Overview" actions={overview.data && !overview.data.overview.cluster.pause && <PauseClusterButton />}>
      <QueryBoundary query={overview} what="the overview" lines={8}>
        {({ overview }) => (
          <>
            {overview.cluster.pause ? (
              <ClusterPauseNotice pause={overview.cluster.pause} />
            ) : (
              <Headline overview={overview} />
            )}
            <BlackoutNotices blackouts={overview.blackouts} />
            <Tiles overview={overview} activity={points} />
            <div className="grid gap-4 xl:grid-cols-2">
              <Panel title="Fires" aside="last hour">
                <QueryBoundary query={activity} what="the activity">
                  {() => <FiresChart points={points} />}
                </QueryBoundary>
              </Panel>
              <Panel title="Lateness" aside="actual start − due time">
                <QueryBoundary query={activity} what="the lateness">
                  {() => <LatenessChart points={points} />}
                </QueryBoundary>
              </Panel>
            </div>
            <div className="grid items-start gap-4 xl:grid-cols-2">
              <AttentionList overview={overview} />
              <NextDue fires={overview.nextDue} />
            </div>
          </>
        )}
      </QueryBoundary>
    </Page>
  )
}
