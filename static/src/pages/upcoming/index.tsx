import { Page } from '@/components/panel'
import { Empty } from '@/components/states'

export default function UpcomingPage() {
  return (
    <Page title="Upcoming">
      <Empty title="This page is not built yet" />
    </Page>
  )
}
