import { Page } from '@/components/panel'
import { Empty } from '@/components/states'

export default function NodesPage() {
  return (
    <Page title="Nodes">
      <Empty title="This page is not built yet" />
    </Page>
  )
}
