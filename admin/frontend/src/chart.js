// placeholder until the chart
