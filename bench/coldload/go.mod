module coldload

go 1.19
