import { Page } from '@/components/panel'
import { Empty } from '@/components/states'

export default function OverviewPage() {
  return (
    <Page title="Overview">
      <Empty title="This page is not built yet" />
    </Page>
  )
}
